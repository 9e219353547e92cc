"""Windows of series in ring buffers, and the order of their events in event time."""
