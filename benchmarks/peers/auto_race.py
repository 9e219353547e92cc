"""Race ``auto`` in Eddy's engine against ``auto`` written as River writes detectors, an object per series.

    python -m benchmarks.peers.auto_race [--series 200 --points 2400] [--series 2000 --points 700]

One core, no Kafka, the same observations, one of each series at a time. Eddy's side is the whole engine: event times,
windows, limits, incidents. The other side is a dictionary of detectors. Both take turns every 50 observations of each
series; the ratio is the median of the turns' ratios of CPU time, after start-up. Scores have to be equal.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from benchmarks.measuring.machine import describe
from benchmarks.peers.auto_per_event import Auto
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.serving.model_set import ModelSet

START_UP, TURN, STEP_MS = 200, 50, 300_000
TOLERANCE = 1e-6


def observations(series: int, points: int) -> Any:
    """Return (points, series) values: a daily shape, noise, and a spike every 997 points of a series."""
    rng = np.random.default_rng(0)
    at = np.arange(points)[:, None] * 2 * np.pi * STEP_MS / 86_400_000 + rng.uniform(0, 6, series)
    values = 100 + 5 * np.sin(at) + rng.normal(0, 1, (points, series))
    values[(np.arange(points)[:, None] + np.arange(series)) % 997 == 996] += 12
    return values


def race(series: int, points: int) -> dict[str, Any]:
    """Return microseconds of CPU a point on each side, their ratio, and how far the scores are apart."""
    models = ModelSet()
    models.start_cold(cold_model("auto", START_UP))
    engine = Engine(models, EngineOptions(cold=ColdStart()))
    engine.adopt_models()
    names = [f"s{i}" for i in range(series)]
    values = observations(series, points)
    slots = engine.slots(names)
    engine.process(engine.slots(["compiles"]), np.array([0]), np.zeros((1, 1)), 0)
    (scorer,) = engine.scorers.values()
    limit = scorer.model.detector.default_limit
    assert limit is not None
    detectors: dict[str, Auto] = {}
    ours, theirs = np.empty_like(values), np.empty_like(values)
    turns = []
    for begin in range(0, points, TURN):
        part = range(begin, min(begin + TURN, points))
        began = time.process_time()
        for i in part:
            engine.process(slots, np.full(series, STEP_MS * (i + 1)), values[i][:, None], 0)
            ours[i] = scorer.score[scorer.rows(slots)]
        between = time.process_time()
        for i in part:
            ts = STEP_MS * (i + 1)
            for k, (name, x) in enumerate(zip(names, values[i].tolist(), strict=True)):
                detector = detectors.get(name)
                if detector is None:
                    detector = detectors[name] = Auto(limit, START_UP)
                theirs[i, k] = detector.score_one(x, ts)
                detector.learn_one(x, ts)
        turns.append((between - began, time.process_time() - between, len(part) * series))
    took = np.array(turns[START_UP // TURN + 1 :])
    known = ~np.isnan(ours)
    apart = np.abs(ours - theirs)[known] / limit
    return {
        "series": series,
        "points": points,
        "eddy_us": round(1e6 * float(np.median(took[:, 0] / took[:, 2])), 2),
        "river_style_us": round(1e6 * float(np.median(took[:, 1] / took[:, 2])), 2),
        "ratio": round(float(np.median(took[:, 1] / took[:, 0])), 2),
        "scored": float(known.mean()),
        "alerts": int((ours[known] >= limit).sum()),
        "largest_difference": float(apart.max()),
        "equal": bool((apart <= TOLERANCE).all()),
    }


def main() -> None:
    """Print a line per number of series."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, action="append")
    parser.add_argument("--points", type=int, action="append")
    args = parser.parse_args()
    sizes = args.series or [200, 2000]
    for series, points in zip(sizes, args.points or [2400, 700][: len(sizes)], strict=True):
        print(json.dumps(race(series, points)), flush=True)
    print(json.dumps({"machine": describe()}))


if __name__ == "__main__":
    main()
