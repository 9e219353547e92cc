"""Run Kafka, Redis and Flink as local processes: the embedded local stack."""
