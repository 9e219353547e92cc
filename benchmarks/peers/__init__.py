"""The same workload on other systems. Everything here but numpy is imported where it is used: each has its own venv."""
