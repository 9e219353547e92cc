"""Measure what detectors and thresholds find."""
