"""Read what the dashboard shows from Redis, Kafka and Flink; only the collector thread reads them."""
