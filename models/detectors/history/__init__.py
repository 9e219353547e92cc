"""Compare a window with the series' own past: seasonal naive, neighbours, left discord."""
