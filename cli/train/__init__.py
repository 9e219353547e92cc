"""Train a model from files: ``eddy train`` and its options."""
