"""The comparative study that writes docs/results.md."""
