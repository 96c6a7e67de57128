"""The bridge's core against models of PI and of Kafka, under virtual time, from one seed."""
