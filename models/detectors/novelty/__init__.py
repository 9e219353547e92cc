"""Detect values, phases of the day and rates of rare values that are new to a series; the default before ``auto``."""
