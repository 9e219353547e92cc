"""Provide the workload, and measure processes, memory and machines."""
