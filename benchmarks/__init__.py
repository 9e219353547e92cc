"""Measure speed, memory and accuracy; each measurement is a command."""
