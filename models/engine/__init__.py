"""The engine of one shard: order, windows, scores, thresholds and incidents of its series."""
