"""Forecast by dynamic mode decomposition."""
