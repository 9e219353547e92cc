"""What puts observations on Kafka."""
