"""Measure how good detectors are: causal runs over labelled data, metrics, rankings."""
