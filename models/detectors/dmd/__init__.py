"""Forecasts by dynamic mode decomposition."""
