"""Detectors that compare a window with the series' own past: seasonal naive, neighbours, left discord."""
