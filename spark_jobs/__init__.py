"""Kafka to Delta: the jobs that land what the bridge published. Interface: Kafka topics and the Avro files of `schemas`."""
