"""Replay and stream observations to Kafka: ``eddy produce``."""
