"""What two rooms must agree on: Avro files, topics, wire format, digest, configuration. Bytes and dictionaries in and out, no network."""
