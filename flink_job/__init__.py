"""The Flink job."""
