"""Measure the cost of many new series at once, while the built-in model warms up and starts to score them.

    python -m benchmarks.job.new_series [SERIES [DETECTOR]]

Each micro-batch holds one point of every series, as when a fleet is switched on. One core; the engine only.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.serving.model_set import ModelSet

WARM_UP, POINTS = 200, 400


def main(count: int, kind: str) -> None:
    """Print milliseconds of CPU per micro-batch: while warming up, when all series start, and afterwards."""
    models = ModelSet()
    models.start_cold(cold_model(kind, WARM_UP))
    engine = Engine(models, EngineOptions(cold=ColdStart()))
    engine.adopt_models()
    engine.process(engine.slots(["compiles"]), np.array([0]), np.zeros((1, 1)), 0)
    values = np.random.default_rng(0).normal(size=(POINTS, count, 1))
    took = []
    for i in range(POINTS):
        began = time.process_time()
        slots = engine.slots([f"s{k}" for k in range(count)])
        engine.process(slots, np.full(count, 1000 * (i + 1)), values[i], 0)
        took.append(1000 * (time.process_time() - began))
    (scorer,) = engine.scorers.values()
    rows = scorer.rows(slots)
    print(
        json.dumps(
            {
                "detector": kind,
                "series": count,
                "first_ms": round(took[0], 2),
                "warming_ms": round(float(np.median(took[1 : WARM_UP - 2])), 2),
                "all_begin_ms": round(max(took[WARM_UP - 2 : WARM_UP + 2]), 2),
                "watched_ms": round(float(np.median(took[WARM_UP + 2 :])), 2),
                "watched_p99_ms": round(float(np.percentile(took[WARM_UP + 2 :], 99)), 2),
                "watched": int(np.isfinite(scorer.score[rows]).sum()),
                "bytes_of_state_a_series": int(scorer.state.shape[1] * 8),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, sys.argv[2] if len(sys.argv) > 2 else "auto")
