"""Isolation forest over raw values, differences, seasonal and window features."""
