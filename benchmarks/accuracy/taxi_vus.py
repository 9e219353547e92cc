"""Measure VUS-PR of the named detectors on NYC taxi demand, in one causal run per seed.

    python -m benchmarks.accuracy.taxi_vus DATA LABELS [--start ROWS] [--seed N …] [--detector NAME …]

``DATA`` is NAB's ``nyc_taxi.csv``, ``LABELS`` its ``combined_windows.json``. Each detector is fitted without labels on
the first ``--start`` rows (default 3,096, the first 30 %: nine weeks, before the first labelled window) and then scores
every row from the past only (``training/evaluation/study/taxi_ranking.py``). Prints one JSON object per line. Chance
is 0.126 for all rows.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from eddy.training.data.nab import load_folder
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.evaluation.study.taxi_ranking import ROWS, rank_taxi

DEFAULT = ("lstm-autoencoder-days", "isolation-forest-days")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--start", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--detector", action="append")
    given = parser.parse_args()
    series = next(s for s in load_folder(given.data.parent.parent, given.labels) if s.name.endswith(given.data.name))
    taxi = replace(Recording.of_nab(series), start=given.start)
    for entrant in entrants(given.detector or DEFAULT):
        for seed in given.seed or (0, 1, 2):
            print(json.dumps(asdict(rank_taxi(taxi, entrant, seed))), flush=True)


if __name__ == "__main__":
    main()
