"""Measure the whole job on the local stack."""
