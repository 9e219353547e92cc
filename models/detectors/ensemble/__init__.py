"""Several detectors combined by calibrated scores."""
