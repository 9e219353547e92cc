"""Check features that belong together: predict each from the others."""
