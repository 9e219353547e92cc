"""Count what ``auto`` says of streams of events that stop: whether it alerts on the zero, and before it.

    python -m benchmarks.accuracy.absence [--streams 200] [--past 400]

Counts of events per interval, from one an interval to 1,000 a second. The gaps between events are those of a heart
beat (regular, late by up to 0.3), of requests that are paced (gamma, shape 16), or of independent ones (Poisson). Each
stream stops at a random moment. Prints, for each kind and interval, how many are alerted in the first two intervals
without events, and the alerts in the past of each; a stream that has had no event for as long before is left out, as
nothing is unusual about it.
"""

from __future__ import annotations

import argparse

import numpy as np

from eddy.models.core.detector import Floats, Ints, WindowSpec
from eddy.models.detectors.auto.detector import AutoDetector, AutoParameters

INTERVALS_MS = (2_000, 60_000)
KINDS = ("regular", "paced", "independent")
WITHIN = 2  # intervals
_START_MS = 1_735_862_400_000


def counts(kind: str, rate: float, intervals: int, rng: np.random.Generator) -> Floats:
    """Return events per interval of a stream that stops in the last one; ``rate``: events an interval."""
    if kind == "independent":
        found = rng.poisson(rate, intervals)
        found[-1] = rng.poisson(rate * rng.uniform())
        return found.astype(float)
    size = int(rate * (intervals + 2)) + 100
    regular = kind == "regular"
    at = np.arange(size) + rng.uniform(0, 0.3, size) if regular else np.cumsum(rng.gamma(16, 1 / 16, size))
    places = np.floor(at / rate + rng.uniform()).astype(np.int64)
    end = intervals - 1 + rng.uniform()
    return np.bincount(places[at / rate < end], minlength=intervals)[:intervals].astype(float)


def longest_run(zero: Floats) -> int:
    """Return the length of the longest run of zeros."""
    ends = np.flatnonzero(np.append(zero, 1.0))
    return int(np.diff(ends, prepend=-1).max()) - 1


def alerts(values: Floats, ts: Ints) -> Floats:
    """Return (n,) where the detector alerts on a series that it has not seen."""
    detector = AutoDetector(WindowSpec(1, features=("value",)), AutoParameters(), {})
    return detector.score_series("s", ts, values[:, None]) >= detector.default_limit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--past", type=int, default=400)
    given = parser.parse_args()
    head = ("gaps", "interval", "streams", "found", "false", "points", "missed (events an interval)")
    print("{:12} {:>8} {:>8} {:>6} {:>6} {:>8}  {}".format(*head))
    for interval in INTERVALS_MS:
        for kind in KINDS:
            found, streams, false, points = 0, 0, 0, 0
            missed = []
            for k, rate in enumerate(np.geomspace(1, interval, given.streams).tolist()):
                past = counts(kind, rate, given.past, np.random.default_rng([k, interval]))
                before = longest_run(past)
                values = np.append(past, np.zeros(WITHIN))
                said = alerts(values, _START_MS + np.arange(len(values)) * interval)
                false += int(said[: -WITHIN - 1].sum())
                points += given.past
                if before >= WITHIN:
                    continue
                streams += 1
                one = bool(said[-WITHIN - 1 :].any())
                found += one
                missed += [] if one else [round(rate, 1)]
            print(f"{kind:12} {interval // 1000:7}s {streams:8} {found:6} {false:6} {points:8}  {missed}", flush=True)


if __name__ == "__main__":
    main()
