"""Read messages of other programs: one file for each format, found by name (``eddy.formats``)."""
