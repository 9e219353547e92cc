"""Detectors, thresholds, windows and alert policy. No Flink and no Kafka here."""
