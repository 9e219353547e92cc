"""The process functions at work on a worker: scoring and grouping."""
