"""Make one observation of the events of each interval of a series: counts, sums, percentiles, increases, ratios."""
