"""How high a score has to be: one threshold per file; the contract is :mod:`eddy.models.core.threshold`."""
