"""Provide detectors, thresholds, windows and alert rules, without Flink and Kafka."""
