"""The model versions that a worker runs, checked before they are used."""
