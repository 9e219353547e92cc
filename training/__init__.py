"""Read data sets, fit detectors, evaluate them, and train them again."""
