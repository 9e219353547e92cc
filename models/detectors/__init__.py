"""Compute scores with detectors, one folder per family; none knows a threshold."""
