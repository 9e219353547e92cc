"""Check that kernels give the same results interpreted, as one steps through them, as compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

SCRIPT = """
import json
import numpy as np
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.windowing.event_time import EventClock
from eddy.models.windowing.windows import WindowStore

STEP, DAY = 60_000, 86_400_000
rng = np.random.default_rng(3)
found = {}

steps = rng.choice([0, STEP, STEP, STEP, 5 * STEP], 400)
steps[[150, 300, 390]] = 60 * DAY  # farther than a distance of 32 bits
ts = 1_736_121_600_000 + np.cumsum(steps).astype(np.int64)
ts[::5] -= 20 * STEP
slots, values = rng.integers(0, 3, 400), rng.normal(size=(400, 1))
clock = EventClock(2 * STEP, 0)
clock.grow(3)
admitted, late, duplicates = [], [], 0
for at in range(0, 400, 50):
    part = slice(at, at + 50)
    got = clock.admit(slots[part], ts[part], values[part], 0, at == 350)
    admitted += list(zip(got.slots.tolist(), got.ts.tolist()))
    late += (at + got.late).tolist()
    duplicates += got.duplicates
found["clock"] = [admitted, late, duplicates, clock.last.tolist(), clock.interval.tolist()]

spec = WindowSpec(5, interval_ms=STEP)
store = WindowStore(spec)
store.grow(3)
rows, times = np.array([a for a, _ in admitted]), np.array([b for _, b in admitted])
due = store.push(rows, times, rng.normal(size=(len(rows), 1)))
found["windows"] = [due.events.tolist(), due.windows.tolist(), store.off.tolist()]

n = 160
line = 20 + 5 * np.sin(np.arange(n) / 4) + rng.normal(0, 0.3, n)
line[130] = 60
at = 1_736_121_600_000 + 30 * STEP * np.arange(n)
train = Series("s", at[:110], line[:110, None], np.zeros(110, bool))
members = {"members": [{"kind": "zscore"}, {"kind": "seasonal-naive", "params": {"period": 8, "past": 30}}]}
for kind, params in {
    "zscore": {}, "novelty": {"start_up": 20}, "auto": {"start_up": 20}, "consistency": {"start_up": 20},
    "left-discord": {"period": 8, "past": 60}, "seasonal-naive": {"period": 8, "past": 60}, "ensemble": members,
    "dmd": {"rank": 3}, "isolation-forest": {"trees": 3, "samples": 32},
}.items():
    detector, report = DETECTORS.get(kind).fit([train], WindowSpec(12, interval_ms=30 * STEP), params, seed=1)
    for name in ("s", "new"):
        scores = detector.score_series(name, at[110:], line[110:, None])
        found[f"{kind} {name}"] = np.nan_to_num(scores, nan=-1.0).tolist()
print(json.dumps(found))
"""


def numbers(found: object) -> Iterator[float]:
    if isinstance(found, list):
        for one in found:
            yield from numbers(one)
    else:
        yield float(found)  # type: ignore[arg-type]


def test_kernels_give_the_same_results_interpreted() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore::RuntimeWarning", "-c", SCRIPT],  # unsigned numbers wrap around on purpose
            env={**os.environ, "NUMBA_DISABLE_JIT": off},
            stdout=subprocess.PIPE,
            text=True,
        )
        for off in ("0", "1")
    ]
    compiled, interpreted = (json.loads(run.communicate(timeout=300)[0]) for run in runs)
    assert list(compiled) == list(interpreted)
    _, late, duplicates, *_ = compiled["clock"]
    assert (len(late) > 10, duplicates > 10) == (True, True)
    for name, expected in compiled.items():
        got = np.array(list(numbers(interpreted[name])))
        np.testing.assert_allclose(got, np.array(list(numbers(expected))), rtol=1e-6, atol=1e-9, err_msg=name)
