"""Where a worker writes besides Kafka."""
