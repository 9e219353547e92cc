"""The detectors, one folder per family; each gives scores, none knows a threshold."""
