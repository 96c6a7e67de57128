"""Kafka to Kafka: late data, clock skew, quality. The rules are pure: state, frame and time come in, findings go out."""
