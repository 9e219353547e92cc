"""Run the comparative study that writes docs/results.md."""
