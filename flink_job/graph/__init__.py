"""Build the job's graph: the JVM's sources and sinks, the process functions, Flink's settings."""
