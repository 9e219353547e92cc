"""Write the clean part of a synthetic stream as a CSV file for training: ``series,timestamp,value``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from eddy.producers.synthetic import SyntheticStream


def write_train_csv(path: Path, stream: SyntheticStream) -> int:
    """Write the file; return how many rows. Times are ISO 8601 in UTC."""
    rows = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("series", "timestamp", "value"))
        for name, series in stream.train.items():
            times = np.datetime_as_string(series.ts.astype("datetime64[ms]"), unit="s", timezone="UTC")
            writer.writerows((name, t, v) for t, v in zip(times.tolist(), series.values.tolist(), strict=True))
            rows += len(times)
    return rows
