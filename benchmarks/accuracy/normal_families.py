"""Count alerts on normal data: families of series as they occur, in which nothing is wrong.

    python -m benchmarks.accuracy.normal_families [--detector auto] [--seeds 2] [--days 60]

Prints a line per family, incidents a day of each detector at its shipped threshold, and how many families stay at or
below 0.1. Points come every five minutes; the first tenth is for fitting and not counted. The generator is no model of
any public set: it names what operators see every day.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from eddy.models.core.detector import Floats
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.lineup import entrants

DAY, WEEK = 288, 7 * 288  # points
STEP_MS = 300_000
START_MS = 1_735_862_400_000
FITTED = 0.1  # share of a series
BOUND = 0.1  # incidents a day
Rng = np.random.Generator
Family = Callable[[Rng, int], Floats]


def _times(n: int) -> Floats:
    return np.arange(n, dtype=float)


def _daily(n: int) -> Floats:
    return np.sin(2 * np.pi * _times(n) / DAY) + 0.4 * np.sin(4 * np.pi * _times(n) / DAY + 1)


def _weekly(n: int) -> Floats:
    """1 on five days, 0.4 on two."""
    return np.where(_times(n) % WEEK < 5 * DAY, 1.0, 0.4)


def _autoregressive(rng: Rng, n: int, share: float) -> Floats:
    steps, found, level = rng.normal(0, np.sqrt(1 - share**2), n), np.empty(n), 0.0
    for i in range(n):
        level = share * level + steps[i]
        found[i] = level
    return found


def _switching(rng: Rng, n: int) -> Floats:
    """A machine that is on and off for about an hour each."""
    on = np.cumsum(rng.random(n) < 1 / 12) % 2
    return np.where(on, 80.0, 5.0) + rng.normal(0, 1, n)


def _nightly(rng: Rng, n: int) -> Floats:
    """Low, but for a batch job each night, ten minutes early or late."""
    late = rng.integers(-2, 3, n // DAY + 1)
    place = (_times(n) % DAY) - late[(_times(n) // DAY).astype(int)]
    return np.where((place >= 24) & (place < 36), 90.0, 10.0) + rng.normal(0, 2, n)


def _sawtooth(rng: Rng, n: int) -> Floats:
    """A buffer that fills and is flushed."""
    fills, level, found = rng.gamma(4, 0.5, n), 0.0, np.empty(n)
    for i in range(n):
        level = 0.0 if level > 100 else level + fills[i]
        found[i] = level
    return found


def _resetting(rng: Rng, n: int) -> Floats:
    """A counter that begins anew about once a week."""
    steps, total, found = rng.poisson(40, n), 0.0, np.empty(n)
    resets = rng.random(n) < 1 / WEEK
    for i in range(n):
        total = 0.0 if resets[i] else total + steps[i]
        found[i] = total
    return found


FAMILIES: Mapping[str, Family] = {
    "normal noise": lambda rng, n: rng.normal(50, 2, n),
    "uniform noise": lambda rng, n: rng.uniform(0, 1, n),
    "Laplace noise": lambda rng, n: rng.laplace(50, 2, n),
    "t noise, 4 degrees": lambda rng, n: 50 + rng.standard_t(4, n),
    "log-normal latency": lambda rng, n: rng.lognormal(3, 0.5, n),
    "gamma latency": lambda rng, n: rng.gamma(2, 20, n),
    "exponential pauses": lambda rng, n: rng.exponential(30, n),
    "share between 0 and 1": lambda rng, n: rng.beta(20, 3, n),
    "few events": lambda rng, n: rng.poisson(3, n).astype(float),
    "many events": lambda rng, n: rng.poisson(400, n).astype(float),
    "bursty counts": lambda rng, n: rng.negative_binomial(2, 0.05, n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.05, rng.poisson(4, n), 0).astype(float),
    "constant": lambda rng, n: np.full(n, 42.0),
    "rounded noise": lambda rng, n: np.round(rng.normal(20, 1, n)),
    "two levels": _switching,
    "correlated noise": lambda rng, n: 50 + 5 * _autoregressive(rng, n, 0.9),
    "slow correlated noise": lambda rng, n: 50 + 5 * _autoregressive(rng, n, 0.995),
    "random walk": lambda rng, n: 1000 + np.cumsum(rng.normal(0, 1, n)),
    "price": lambda rng, n: 100 * np.exp(np.cumsum(rng.normal(0, 0.001, n))),
    "day": lambda rng, n: 100 + 30 * _daily(n) + rng.normal(0, 3, n),
    "day and week": lambda rng, n: (100 + 30 * _daily(n)) * _weekly(n) + rng.normal(0, 3, n),
    "requests by day and week": lambda rng, n: rng.poisson((200 + 80 * _daily(n)) * _weekly(n)).astype(float),
    "business hours": lambda rng, n: (
        rng.poisson(60, n) * ((_times(n) % DAY >= 96) & (_times(n) % DAY < 216) & (_times(n) % WEEK < 5 * DAY))
    ).astype(float),
    "growing day": lambda rng, n: (100 + 30 * _daily(n)) * (1 + _times(n) / n) + rng.normal(0, 3, n),
    "day of skewed noise": lambda rng, n: (60 + 25 * _daily(n)) * rng.lognormal(0, 0.1, n),
    "nightly batch": _nightly,
    "sawtooth": _sawtooth,
    "slow drift": lambda rng, n: 50 + 30 * _times(n) / n + rng.normal(0, 2, n),
    "ramp": lambda rng, n: _times(n) * 0.02 + rng.normal(0, 2, n),
    "straight ramp": lambda rng, n: _times(n),
    "counter": lambda rng, n: np.cumsum(rng.poisson(40, n)).astype(float),
    "counter with resets": _resetting,
}
NEVER = (
    "ramp",
    "straight ramp",
)  # on which no alert at all is right; of counters the increase, which is noise, is scored


def incidents_a_day(detector: str, family: str, seeds: int, days: int) -> float:
    """Count alerts a day of a detector on a family, over all seeds."""
    (entrant,) = entrants([detector])
    n, found = days * DAY, 0
    start = int(FITTED * n)
    ts = START_MS + np.arange(n, dtype=np.int64) * STEP_MS
    for seed in range(seeds):
        values = FAMILIES[family](np.random.default_rng([seed, len(family)]), n)
        run = entrant.run(Recording(family, ts, values[:, None], ("value",), start), seed)
        found += int(run.alerts.sum())
    return found / (seeds * (n - start) / DAY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--days", type=int, default=60)
    given: Any = parser.parse_args()
    detectors = given.detector or ["auto", "novelty"]
    print("incidents a day".ljust(28), *(name.rjust(10) for name in detectors))
    quiet = dict.fromkeys(detectors, 0)
    for family in FAMILIES:
        rates = [incidents_a_day(name, family, given.seeds, given.days) for name in detectors]
        print(family.ljust(28), *(f"{rate:10.3f}" for rate in rates), flush=True)
        for name, rate in zip(detectors, rates, strict=True):
            quiet[name] += rate <= (0 if family in NEVER else BOUND)
    print(f"of {len(FAMILIES)} families within".ljust(28), *(str(quiet[name]).rjust(10) for name in detectors))


if __name__ == "__main__":
    main()
