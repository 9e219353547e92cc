"""``eddy train`` and its options."""
