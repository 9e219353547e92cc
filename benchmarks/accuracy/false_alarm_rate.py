"""Check the promise of the threshold ``rate``: false alarms a day, week and month on series in which nothing is wrong.

    python -m benchmarks.accuracy.false_alarm_rate [--detector auto] [--seeds 2] [--weeks 54] [--first-seed 100]

The families of :mod:`benchmarks.accuracy.normal_families`, by default a year of points every five minutes behind two
weeks of training, from the second week of the series in the job on. An alarm is an incident: points above the limit
with at most 24 between them. Prints, for each rate asked for, the share of series that have between half and twice as
many; those with fewer and with more; the median ratio; and the share of such series if alarms came by pure chance at
the rate that was asked for (Poisson), which is what counting alone costs.

``auto`` is run twice: its dense score under the limit alone, and its alerts, for which the rate is an upper bound.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.accuracy.normal_families import FAMILIES, START_MS, STEP_MS, WEEK
from eddy.errors import DataError
from eddy.models.core.detector import Bools, Floats
from eddy.models.thresholds.rate import RateThreshold
from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.fitting.causal_run import limits_along

RATES: Mapping[str, float] = {"day": 7.0, "week": 1.0, "month": 12 * 7 / 365.25}  # alarms a week
TRAINED_WEEKS = 2
CLOSE_AFTER = 24  # points without an alarm that end an incident
DENSE = {"auto": {"sparse": False}}


def incidents(above: Bools, since: int) -> int:
    """Count incidents that begin at or after a row."""
    rows = np.flatnonzero(above)
    begins = rows[np.diff(rows, prepend=-CLOSE_AFTER - 1) > CLOSE_AFTER]
    return int((begins >= since).sum())


def by_chance(expected: float) -> float:
    """Probability that a Poisson number is between half and twice its mean."""
    low, high = math.ceil(expected / 2), math.floor(2 * expected)
    return sum(math.exp(n * math.log(expected) - expected - math.lgamma(n + 1)) for n in range(low, high + 1))


def runs(detector: str, dense: bool, seeds: range, weeks: int) -> Iterator[tuple[str, Floats, Recording, float | None]]:
    """Yield (family, scores, series, the detector's own limit) of each series whose score is not constant."""
    (entrant,) = entrants([detector])
    params = {**entrant.params, **(DENSE.get(detector, {}) if dense else {})}
    n = weeks * WEEK
    ts = START_MS + np.arange(n, dtype=np.int64) * STEP_MS
    for family, make in FAMILIES.items():
        for seed in seeds:
            values = make(np.random.default_rng([seed, len(family)]), n)
            recording = Recording(family, ts, values[:, None], ("value",), TRAINED_WEEKS * WEEK)
            try:
                run = type(entrant)(**{**vars(entrant), "params": params}).run(recording, seed)
            except DataError:
                continue
            if run.detector is None or np.nanstd(run.raw[recording.start + WEEK :]) == 0:
                continue
            yield family, run.raw, recording, run.detector.default_limit


def ratios(detector: str, dense: bool, seeds: range, weeks: int) -> tuple[dict[str, Floats], dict[str, set[str]]]:
    """Return alarms over those asked for, of each series, by rate; and the families outside of a factor of two."""
    found: dict[str, list[float]] = {name: [] for name in RATES}
    outside: dict[str, set[str]] = {name: set() for name in RATES}
    for family, raw, recording, own in runs(detector, dense, seeds, weeks):
        for name, per_week in RATES.items():
            limit = math.nan if dense or own is None else own
            threshold = RateThreshold(alarms_per_week=per_week, detector_limit=limit)
            limits = limits_along(threshold, raw, recording.ts, recording.start)
            since = recording.start + WEEK
            ratio = incidents(raw > limits, since) / (per_week * (len(raw) - since) / WEEK)
            found[name].append(ratio)
            if not 0.5 <= ratio <= 2:
                outside[name].add(family)
    return {name: np.array(own) for name, own in found.items()}, outside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--weeks", type=int, default=54, help="two of them for training")
    given: Any = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    measured = given.weeks - TRAINED_WEEKS - 1
    print(f"{'detector':26} one a     series  within 2  fewer   more  median   most  by chance")
    for detector in given.detector or ["auto", "zscore", "isolation-forest"]:
        for dense in (True, False) if detector in DENSE else (True,):
            label = f"{detector}, {'dense score' if dense else 'upper bound'}" if detector in DENSE else detector
            found, outside = ratios(detector, dense, seeds, given.weeks)
            for name, own in found.items():
                inside = float(((own >= 0.5) & (own <= 2)).mean())
                chance = by_chance(RATES[name] * measured)
                print(
                    f"{label:26} {name:8} {len(own):7} {inside:9.0%} {(own < 0.5).mean():6.0%} {(own > 2).mean():6.0%}"
                    f" {np.median(own):7.2f} {own.max():6.2f} {chance:10.0%}"
                    + (f"  outside: {', '.join(sorted(outside[name]))}" if dense and outside[name] else ""),
                    flush=True,
                )


if __name__ == "__main__":
    main()
