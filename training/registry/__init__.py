"""Keep the model registry: versions in a compacted Kafka topic, candidates beside them."""
