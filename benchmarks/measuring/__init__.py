"""The workload, and how processes, memory and machines are measured."""
