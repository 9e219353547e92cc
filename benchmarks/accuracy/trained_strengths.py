"""Show what the trained detectors are best at: anomalies whose values are all usual, on generated series.

    python -m benchmarks.accuracy.trained_strengths [--detector auto ...] [--seeds 3] [--case calm ...]

Prints strict F1 and false alerts per 1,000 points of each detector at its shipped threshold, by case. A series has
5,000 points, five minutes apart, the first half of which is for fitting; in the second half are six events of 40 points
each. In no event does a value leave the range that the series usually has.

==================  ==================================================================================================
``calm``            correlated noise that varies at a sixth of its usual size
``texture``         smooth noise that turns rough at the same spread
``stuck``           a sensor that repeats its last value, on noise that never does
``several``         eight features, which all move by one and a half of their own deviations, each to a side of its own
``reversed shape``  a cycle of 37 points that rises in 6 and falls in 31; in an event it runs backwards
``missing beat``    a cycle of 40 points with a second, lower peak, which is missing in an event
==================  ==================================================================================================
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from eddy.models.core.detector import Bools, Floats
from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.outside.baselines import BASELINES
from eddy.training.evaluation.outside.data_sets import OutsideSet
from eddy.training.evaluation.outside.run import SetOutcome, run_set
from eddy.training.evaluation.runs.lineup import entrants

DETECTORS = ("isolation-forest", "lstm-autoencoder", "auto", "novelty")
POINTS, EVENT, EVENTS = 5000, 40, 6
STEP_MS, START_MS = 300_000, 1_735_862_400_000
_FEATURES = 8
_CYCLE, _RISE = 37, 6  # points
_BEAT = 40
Rng = np.random.Generator
#: (n, F) values, given where events are
Case = Callable[[Rng, Bools], Floats]


def _correlated(rng: Rng, sizes: Floats, share: float) -> Floats:
    """Autoregressive noise whose steps have these sizes; its deviation is about 1 where they are."""
    steps, level = rng.normal(0, np.sqrt(1 - share**2), len(sizes)) * sizes, 0.0
    found = np.empty(len(sizes))
    for i, step in enumerate(steps):
        level = share * level + step
        found[i] = level
    return found


def _calm(rng: Rng, inside: Bools) -> Floats:
    return 50 + _correlated(rng, np.where(inside, 1 / 6, 1.0), 0.5)[:, None]


def _texture(rng: Rng, inside: Bools) -> Floats:
    smooth, rough = _correlated(rng, np.ones(len(inside)), 0.95), rng.normal(0, 0.9, len(inside))
    return 50 + np.where(inside, np.clip(rough, -2, 2), smooth)[:, None]


def _stuck(rng: Rng, inside: Bools) -> Floats:
    values = 50 + _correlated(rng, np.ones(len(inside)), 0.5)
    for i in np.flatnonzero(inside):
        values[i] = values[i - 1]
    return values[:, None]


def _several(rng: Rng, inside: Bools) -> Floats:
    side = rng.choice([-1.0, 1.0], _FEATURES)
    return 50 + rng.normal(size=(len(inside), _FEATURES)) + 1.5 * inside[:, None] * side


def _reversed(rng: Rng, inside: Bools) -> Floats:
    phase = np.arange(len(inside)) % _CYCLE
    phase = np.where(inside, _CYCLE - 1 - phase, phase)
    shape = np.where(phase < _RISE, phase / _RISE, (_CYCLE - phase) / (_CYCLE - _RISE))
    return (10 * shape + rng.normal(0, 0.4, len(inside)))[:, None]


def _missing_beat(rng: Rng, inside: Bools) -> Floats:
    phase = np.arange(len(inside)) % _BEAT
    first, second = (np.exp(-(((phase - at) / 2.5) ** 2)) for at in (8, 25))
    return (10 * first + 6 * np.where(inside, 0.0, second) + rng.normal(0, 0.4, len(inside)))[:, None]


CASES: Mapping[str, Case] = {
    "calm": _calm,
    "texture": _texture,
    "stuck": _stuck,
    "several": _several,
    "reversed shape": _reversed,
    "missing beat": _missing_beat,
}


def data_of(case: str, seeds: int) -> OutsideSet:
    """Generate a series per seed."""
    recordings = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, len(case)])
        between = (POINTS // 2) // EVENTS
        firsts = POINTS // 2 + between * np.arange(EVENTS) + rng.integers(60, between - EVENT - 60, EVENTS)
        inside = np.zeros(POINTS, np.bool_)
        for first in firsts:
            inside[first : first + EVENT] = True
        values = CASES[case](rng, inside)
        ts = START_MS + np.arange(POINTS, dtype=np.int64) * STEP_MS
        features = tuple(f"f{i}" for i in range(values.shape[1]))
        events = tuple(Event(int(first), int(first) + EVENT - 1) for first in firsts)
        recordings.append(Recording(f"{case}-{seed}", ts, values, features, POINTS // 2, events))
    return OutsideSet(case, tuple(recordings))


def outcomes(case: str, detectors: list[str], seeds: int) -> list[SetOutcome]:
    """Run the rolling z-score and detectors over a case."""
    return run_set([BASELINES[0], *entrants(detectors)], data_of(case, seeds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", action="append", default=[])
    parser.add_argument("--case", action="append", default=[], choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    given: Any = parser.parse_args()
    detectors = given.detector or list(DETECTORS)
    print("F1, false per 1,000".ljust(20), *(name.rjust(17) for name in ("rolling-z", *detectors)))
    for case in given.case or CASES:
        found = outcomes(case, detectors, given.seeds)
        print(case.ljust(20), *(f"{one.f1:9.2f}, {one.false_per_thousand:6.2f}" for one in found), flush=True)


if __name__ == "__main__":
    main()
