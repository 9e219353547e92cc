"""Run everything at once on this machine: ``eddy demo``."""
