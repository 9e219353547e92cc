"""Find lasting changes of a series."""
