"""PI to Kafka: channels become previews, archive reads become statements (design 4). Read-only towards PI."""
