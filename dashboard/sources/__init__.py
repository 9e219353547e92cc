"""Where the page gets what it shows: Redis, Kafka, Flink. All are read by the collector thread alone."""
