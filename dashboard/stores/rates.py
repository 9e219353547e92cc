"""Measure event rate and lag over the last minutes from how offsets and counters move."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.dashboard.sources.flink_rest import JobHealth

KEPT_SECONDS = 900
# Flink's offsets are up to two seconds old: against the newest ends of the topic a job that keeps up would
# seem to be behind. Against those of two seconds ago it is behind only if it is.
_STALE_SECONDS = 2.0
_SMOOTHED_SECONDS = 3.0  # Flink's metrics move in steps of a second: over less, a steady rate would seem ragged


@dataclass(frozen=True)
class RatesView:
    """Hold columns of equal length, oldest first.

    Attributes:
        at: wall clock, epoch ms.
        arriving: events/s that reach Kafka; NaN = not known.
        handled: events/s that the job handles.
        lag: events in Kafka that the job has not read.
    """

    at: NDArray[np.float64]
    arriving: NDArray[np.float64]
    handled: NDArray[np.float64]
    lag: NDArray[np.float64]

    def newest(self) -> tuple[float, float, float]:
        """Return the last of each column; NaN = not known."""
        if not len(self.at):
            return (np.nan, np.nan, np.nan)
        return float(self.arriving[-1]), float(self.handled[-1]), float(self.lag[-1])


class Rates:
    """Compute rates from successive readings; belongs to the collector thread."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, float, float, float]] = deque()
        self._ends: deque[tuple[float, float]] = deque()  # monotonic seconds, total
        self._events: deque[tuple[float, float]] = deque()
        self._earlier: deque[tuple[float, dict[int, int]]] = deque()
        self._job = ""

    def add(self, now_ms: int, ends: dict[int, int], ends_at: float, health: JobHealth | None) -> None:
        """Add one reading of all sources."""
        if ends and (not self._earlier or ends_at > self._earlier[-1][0]):
            _note(self._ends, ends_at, float(sum(ends.values())))
            self._earlier.append((ends_at, ends))
            while len(self._earlier) > 1 and ends_at - self._earlier[1][0] >= _STALE_SECONDS:
                self._earlier.popleft()
        lag = np.nan
        if health is not None and health.state == "RUNNING":
            if health.id != self._job:
                self._job = health.id
                self._events.clear()
            if "events" in health.counters:
                _note(self._events, health.read_at, health.counters["events"])
            if self._earlier and health.read_to:
                _, then = self._earlier[0]
                lag = float(sum(max(0, end - health.read_to.get(number, 0)) for number, end in then.items()))
        else:
            self._events.clear()
        self._rows.append((float(now_ms), _rate(self._ends), _rate(self._events), lag))
        while self._rows[0][0] < now_ms - KEPT_SECONDS * 1000:
            self._rows.popleft()

    def view(self) -> RatesView:
        """Return the rates as of now."""
        table = np.array(self._rows, np.float64).reshape(-1, 4)
        return RatesView(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def _note(samples: deque[tuple[float, float]], at: float, total: float) -> None:
    if samples and total < samples[-1][1]:  # a topic made anew, a restart
        samples.clear()
    if not samples or at > samples[-1][0]:
        samples.append((at, total))
    while len(samples) > 2 and samples[-1][0] - samples[1][0] >= _SMOOTHED_SECONDS:
        samples.popleft()


def _rate(samples: deque[tuple[float, float]]) -> float:
    if len(samples) < 2:
        return np.nan
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    return (last - first) / (last_at - first_at)
