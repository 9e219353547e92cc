"""One configuration for every series: short and long memories, each calibrated on the series' own past."""
