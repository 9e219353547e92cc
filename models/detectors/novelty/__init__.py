"""The default detector: values, phases of the day and values' rarity that a series has not shown before."""
