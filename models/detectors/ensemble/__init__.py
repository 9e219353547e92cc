"""Combine several detectors by calibrated scores."""
