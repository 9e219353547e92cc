"""Follow the registry's topic: load new model versions and decide which one is in use."""
