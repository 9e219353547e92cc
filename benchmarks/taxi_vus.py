"""VUS-PR of the named detectors on NYC taxi demand, in one causal run per seed.

    python -m benchmarks.taxi_vus DATA LABELS [--start ROWS] [--seed N …] [--detector NAME …]

``DATA`` is NAB's ``nyc_taxi.csv``, ``LABELS`` its ``combined_windows.json``. Each detector is fitted without labels on
the first ``--start`` rows (default 3,096, the first 30 %: nine weeks, before the first labelled window) and then scores
every row from the past only. VUS-PR (window 125) is of all rows, those fitted to with the scores the fitted model gives
them, and of the rows after them alone. Prints one JSON object per line. Chance is 0.126 for all rows.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from models.detector import Detector, Series, WindowSpec
from training.evaluation.causal_run import raw_scores
from training.evaluation.lineup import entrants
from training.evaluation.vus import volumes
from training.nab import load_folder

WINDOW = 125  # the benchmark's "sliding window" for this series
START = 3096
DEFAULT = ("lstm-autoencoder-days", "isolation-forest-days")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--start", type=int, default=START)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--detector", action="append")
    given = parser.parse_args()
    series = next(s for s in load_folder(given.data.parent.parent, given.labels) if s.name.endswith(given.data.name))
    labels = np.zeros(len(series.values), bool)
    for first, last in series.windows:
        labels[first : last + 1] = True
    values, start = series.values[:, None], given.start
    head = Series("series", series.ts[:start], values[:start], np.zeros(start, bool))
    interval = int(np.median(np.diff(series.ts)))
    for entrant in entrants(given.detector or DEFAULT):
        for seed in given.seed or (0, 1, 2):
            began = time.perf_counter(), time.process_time()
            spec = WindowSpec(entrant.window, interval_ms=interval if entrant.clocked else 0)
            detector, _ = Detector.kinds[entrant.kind].fit([head], spec, entrant.params, seed)
            trained = time.perf_counter(), time.process_time()
            raw = raw_scores(detector, series.ts, values)
            scores = np.where(np.isnan(raw), np.nanmin(raw), raw)  # no verdict yet: as calm as can be
            result = {
                "detector": entrant.name, "start": start, "seed": seed,
                "vus_pr": round(volumes(labels, scores, WINDOW).pr, 3),
                "vus_pr_after_start": round(volumes(labels[start:], scores[start:], WINDOW).pr, 3),
                "training_seconds": round(trained[0] - began[0], 1), "training_cpu_s": round(trained[1] - began[1], 1),
            }  # fmt: skip
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
