"""Compare the intervals that a system wrote with the truth, and tell its rate from the times of their writing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from benchmarks.job.pipeline import STEADY
from benchmarks.measuring.workload import START, STEP_MS, Workload
from benchmarks.peers.alerts import Raised
from benchmarks.peers.totals import FOLDS, GRACE, MINUTE

POINTS = MINUTE // STEP_MS  # events of a series in an interval
Key = tuple[str, int]  # host; start of the interval in ms


@dataclass(frozen=True)
class Interval:
    """Hold one result of a system.

    Attributes:
        host, start: of which series, and from when on (ms).
        at: seconds since the epoch, when the broker appended it.
        values: the aggregates by name.
    """

    host: str
    start: int
    at: float
    values: dict[str, Any]


@dataclass(frozen=True)
class Steady:
    """Hold the steady state of a run: its ends in seconds since the epoch, and the events of intervals closed in it."""

    first: float
    last: float
    events: int

    @property
    def rate(self) -> int:
        return round(self.events / (self.last - self.first))


def of_message(raised: Raised) -> Interval:
    """Return the interval of a message; Flink SQL writes its start as text."""
    values = dict(raised.value)
    host, start = values.pop("host"), values.pop("w")
    if isinstance(start, str):
        start = round(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() * 1000)
    return Interval(host, start, raised.at, values)


def complete(work: Workload) -> int:
    """Return how many intervals every system has to close: those that events beyond their grace follow."""
    newest = (work.events // work.series - 1) * STEP_MS  # of every series, since the start
    return max(0, (newest - GRACE) // MINUTE)


def truth(work: Workload) -> dict[Key, dict[str, Any]]:
    """Return the results of all complete intervals, from the messages themselves."""
    fold, found = FOLDS[work.form], {}
    for number in range(complete(work)):
        states: dict[str, Any] = defaultdict(fold.empty)
        size = POINTS * work.series
        for value in work.messages(number * size, (number + 1) * size)[1]:
            event = orjson.loads(value)
            states[event["host"]] = fold.add(states[event["host"]], event)
        found |= {(host, START + number * MINUTE): fold.result(state) for host, state in states.items()}
    return found


def compared(found: Iterable[Interval], expected: dict[Key, dict[str, Any]]) -> dict[str, Any]:
    """Compare results with the truth; an incomplete interval at the end, which some systems close, is left out."""
    end = max((start for _, start in expected), default=0)
    seen: dict[Key, dict[str, Any]] = {}
    repeated = different = 0
    for one in found:
        key = one.host, one.start
        if one.start > end:
            continue
        repeated += key in seen
        different += key in expected and not _same(one.values, expected[key])
        seen[key] = one.values
    missing, extra = len(expected.keys() - seen.keys()), len(seen.keys() - expected.keys())
    return {
        "results": len(seen),
        "missing": missing,
        "extra": extra,
        "different": different,
        "repeated": repeated,
        "equal": not (missing or extra or different or repeated),
    }


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Say whether all values are equal, a mean up to the rounding of its sum's order."""
    return one.keys() == other.keys() and all(math.isclose(one[k], other[k], rel_tol=1e-12) for k in one)


def steady(found: Sequence[Interval], series: int, intervals: int) -> Steady:
    """Return the steady state between two moments at which an interval was closed for the last of all series.

    Processes of one system close the same interval at different times. So the moments are those of the slowest, and
    every interval that any of them closed in between counts. A system that was stopped before it closed enough of them
    for all series is measured between single results, which is coarser.
    """
    first_at: dict[Key, float] = {}
    for one in sorted(found, key=lambda one: one.at):
        if one.start < START + intervals * MINUTE:
            first_at.setdefault((one.host, one.start), one.at)
    by_start: dict[int, list[float]] = defaultdict(list)
    for (_, start), at in first_at.items():
        by_start[start].append(at)
    whole = sorted(max(times) for times in by_start.values() if len(times) == series)
    chosen = [at for k, at in enumerate(whole, 1) if STEADY[0] <= k / len(whole) <= STEADY[1]]
    times = np.sort(list(first_at.values()))
    if len({*chosen}) < 2:
        chosen = times[[int(share * (len(times) - 1)) for share in STEADY]].tolist() if len(times) else []
    assert len({*chosen}) > 1, f"{len(times)} intervals of single series were closed: too few to tell a rate"
    closed = np.searchsorted(times, [chosen[0], chosen[-1]], side="right")
    return Steady(chosen[0], chosen[-1], int(closed[1] - closed[0]) * POINTS)
