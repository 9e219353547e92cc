"""The embedded local stack: Kafka, Redis and Flink as local processes."""
