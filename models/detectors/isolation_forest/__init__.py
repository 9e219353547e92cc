"""Isolate windows by random cuts of raw values, differences, seasonal and window features."""
