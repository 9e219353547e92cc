"""Data sets, fitting, evaluation."""
