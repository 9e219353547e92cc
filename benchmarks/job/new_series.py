"""Series that nobody trained for, all at once: what the built-in model costs while they warm up and begin.

    python -m benchmarks.job.new_series [SERIES]

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

WARM_UP, POINTS = 250, 400


def main(count: int) -> None:
    """Milliseconds per micro-batch: while warming, the one in which all begin, and afterwards."""
    models = ModelSet()
    models.start_cold(cold_model("novelty", WARM_UP))
    engine = Engine(models, EngineOptions(cold=ColdStart()))
    engine.adopt_models()
    engine.process(engine.slots(["compiles"]), np.array([0]), np.zeros((1, 1)), 0)
    values = np.random.default_rng(0).normal(size=(POINTS, count, 1))
    took = []
    for i in range(POINTS):
        began = time.perf_counter()
        slots = engine.slots([f"s{k}" for k in range(count)])
        engine.process(slots, np.full(count, 1000 * (i + 1)), values[i], 0)
        took.append(1000 * (time.perf_counter() - began))
    (scorer,) = engine.scorers.values()
    rows = scorer.rows(slots)
    print(
        json.dumps(
            {
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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
