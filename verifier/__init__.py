"""Compares the simulator's journal with Kafka and Delta: what is lost, doubled, wrong or invented, with an example."""
