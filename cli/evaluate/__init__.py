"""Evaluate detectors, and print tables of the results: ``eddy evaluate``."""
