"""Measure detectors of two checkouts in turns: microseconds of CPU a point, series by series and in the job's engine.

    git worktree add /tmp/before COMMIT
    python -m benchmarks.job.before_after /tmp/before --detector ensemble --detector left-discord

``whole``: one series after the other, as evaluation and ``eddy predict`` score them. ``engine``: micro-batches with one
point of each of 200 series, as the job scores them; the state of all of them has gone through their past before. One
core; the ratio is the median of the rounds' ratios. Scores have to be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SERIES, DAYS, ROUNDS = 200, 61, 3
STREAMED, _WARM = 40, 4  # points of each series; of them before the clock starts
_HALF_HOURS, _FIVE_MINUTES = 48, 288  # points a day


def shapes(points_a_day: int, missing: float = 0.0) -> np.ndarray[Any, Any]:
    """Return (DAYS * points_a_day,) a daily shape with noise and, if asked for, missing values."""
    rng = np.random.default_rng(0)
    at = np.arange(DAYS * points_a_day) * 2 * np.pi / points_a_day
    values = 50 + 10 * np.sin(at) + 4 * np.sin(3 * at) + rng.normal(0, 1, len(at))
    values[rng.random(len(at)) < missing] = np.nan
    return np.asarray(values)


def measure(kind: str, points_a_day: int, missing: float) -> dict[str, Any]:
    """Return microseconds a point of one detector, and its scores; runs in the checkout to be measured."""
    from eddy.models.core.detector import Series, WindowSpec
    from eddy.models.engine.engine import Engine, EngineOptions
    from eddy.models.serving.model_set import ModelSet
    from eddy.training.fitting.fit import fit_model

    values = shapes(points_a_day, missing)[:, None]
    ts = np.arange(len(values), dtype=np.int64) * (86_400_000 // points_a_day)
    past = len(ts) - STREAMED
    train = [Series("trained", ts[:past], values[:past], np.zeros(past, bool))]
    trained = fit_model("m", kind, train, WindowSpec(1))
    models = ModelSet()
    models.put(trained.manifest.with_artifact(trained.content), lambda manifest: manifest.inline_artifact() or b"")
    engine = Engine(models, EngineOptions(live_per_second=100))
    engine.adopt_models()
    slots = engine.slots([f"s{i}" for i in range(SERIES)])
    engine.process(slots, np.full(SERIES, ts[past - 1]), np.repeat(values[past - 1 : past], SERIES, 0), 0)
    (scorer,) = engine.scorers.values()

    detector, scores = scorer.model.detector, np.zeros(0)
    state = detector.initial_state(1)
    began = time.process_time()
    scores = detector.score_segment(Series("new", ts[:past], values[:past], np.zeros(past, bool)), state)
    whole = (time.process_time() - began) / past

    scorer.state[scorer.rows(slots)] = state
    found = []
    for i in range(past, len(ts)):
        if i == past + _WARM:
            began = time.process_time()
        engine.process(slots, np.full(SERIES, ts[i]), np.repeat(values[i : i + 1], SERIES, 0), 0)
        found.append(scorer.score[scorer.rows(slots)[0]])
    streamed = (time.process_time() - began) / (STREAMED - _WARM) / SERIES
    return {"whole": 1e6 * whole, "engine": 1e6 * streamed, "scores": [*map(float, scores), *map(float, found)]}


def _run(checkout: Path, arguments: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--here", *arguments], cwd=checkout, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print a line per detector and data."""
    parser = argparse.ArgumentParser()
    parser.add_argument("before", nargs="?", type=Path)
    parser.add_argument("--detector", action="append")
    parser.add_argument("--points-a-day", type=int, action="append")
    parser.add_argument("--missing", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--here", action="store_true", help="measure this checkout only, print JSON")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.detector[0], args.points_a_day[0], args.missing)))
        return
    for kind in args.detector or ["left-discord", "same-phase-neighbours", "ensemble"]:
        for points in args.points_a_day or [_HALF_HOURS, _FIVE_MINUTES]:
            asked = ["--detector", kind, "--points-a-day", str(points), "--missing", str(args.missing)]
            rounds = []
            for _ in range(args.rounds):
                rounds.append([_run(folder, asked) for folder in (args.before, Path.cwd())])
            report: dict[str, Any] = {"detector": kind, "points_a_day": points, "missing": args.missing}
            for way in ("whole", "engine"):
                times = np.array([[one[way] for one in pair] for pair in rounds])
                report[way] = {
                    "before_us": round(float(np.median(times[:, 0])), 2),
                    "after_us": round(float(np.median(times[:, 1])), 2),
                    "ratio": round(float(np.median(times[:, 0] / times[:, 1])), 2),
                }
            old, new = (np.array(one["scores"]) for one in rounds[0])
            report["largest_difference"] = float(np.nanmax(np.abs(old - new)))
            report["equal"] = bool(np.allclose(old, new, rtol=1e-9, atol=1e-9, equal_nan=True))
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
