"""Compute metrics of detectors: row-wise, event-wise, VUS, and alerts against labelled incidents."""
