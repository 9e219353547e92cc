"""Notice series, and whole sources, that send nothing for longer than usual."""
