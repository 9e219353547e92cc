"""Provide the `eddy` command."""
