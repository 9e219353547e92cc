"""Fit detectors and thresholds, and write the result as an artifact."""
