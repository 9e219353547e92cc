"""Run the same workload on other systems. Each has its own venv: everything but numpy is imported where used."""
