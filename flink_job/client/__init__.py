"""Submit the job to a Flink cluster, ask it, pack its environment."""
