"""Put observations on Kafka."""
