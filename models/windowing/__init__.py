"""Keep windows of series in ring buffers, and put events in order of event time."""
