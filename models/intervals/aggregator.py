"""Turn the events of one rule into one observation for each series and interval.

An interval is open from its first event until the clock has passed its end by ``wait``; then it is closed for good, and
what comes for it later is late. The clock is given from outside: this class knows neither Flink nor the time of day.
Results depend on the events and on where the clock stood between them, not on how they are batched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.intervals.open_interval import OpenInterval, Parts
from eddy.models.intervals.rule import IntervalRule

NEVER = np.iinfo(np.int64).min // 2
MAX_OPEN = 2_000  # intervals of a rule and shard; beyond it the oldest are closed before their time
MAX_POINTS = 50_000  # that one call of ``close`` gives, so that a long gap holds up no events


@dataclass(frozen=True)
class Closed:
    """Hold observations of closed intervals, in order of time.

    Attributes:
        names: series ids; ``codes`` (n,) is the index of each observation's series among them.
        ts: (n,) where each interval begins, epoch ms. values: (n, measures); NaN = missing.
        events: (n,) how many events each interval had.
    """

    names: Sequence[str]
    codes: Ints
    ts: Ints
    values: Floats
    events: Ints

    def __len__(self) -> int:
        return len(self.codes)


class Aggregator:
    """Keep the open intervals of one rule's series.

    Args:
        rule: what is made of events.

    Attributes:
        late: events that came for a closed interval, so far.
        forced: intervals that were closed before their time, since too many were open.
        closed_through: number of the last closed interval; NEVER: none yet.
    """

    def __init__(self, rule: IntervalRule) -> None:
        self.rule = rule
        self.late = 0
        self.forced = 0
        self.closed_through = NEVER
        self._parts = Parts(rule)
        self._open: dict[int, OpenInterval] = {}
        self._names: list[str | None] = []  # by row; None: it is free
        self._free: list[int] = []
        self._row_of: dict[str, int] = {}
        self._first = np.zeros(0, np.int64)  # interval of each series from which on it gives observations
        self._heard = np.zeros(0, np.int64)  # newest closed interval with events
        self._before = np.zeros((0, len(rule.measures)))  # values of the newest observation, for ``empty: last``
        self._written: set[int] = set()  # open intervals that state has
        self._rows_dirty = False

    @property
    def series(self) -> int:
        """Count the series that are known."""
        return len(self._row_of)

    @property
    def crowded(self) -> bool:
        """Return whether more intervals are open than may be."""
        return len(self._open) > MAX_OPEN

    def add(self, source: int, names: Sequence[str], codes: Ints, ts: Ints, values: Floats) -> Bools:
        """Add events; returns (n,) which of them are late, and were left out.

        Args:
            source: number of their source in the rule.
            names: series ids; ``codes`` (n,) says which each event is of.
            ts: (n,) event times, epoch ms.
            values: (n, columns of the source); NaN = the event has nothing for it.
        """
        numbers = ts // self.rule.every_ms
        late = numbers <= self.closed_through
        if late.all():
            self.late += len(late)
            return np.asarray(late)
        rows = self._rows_of(names)[codes]
        if late.any():
            self.late += int(late.sum())
            kept = ~late
            numbers, rows, ts, values = numbers[kept], rows[kept], ts[kept], values[kept]
        lowest, highest = int(numbers.min()), int(numbers.max())
        if lowest == highest:
            self._interval(lowest).add(source, rows, ts, values)
        else:
            for number in np.unique(numbers).tolist():
                mine = numbers == number
                self._interval(number).add(source, rows[mine], ts[mine], values[mine])
        self._first_of(rows, numbers)
        return np.asarray(late)

    def _interval(self, number: int) -> OpenInterval:
        found = self._open.get(number)
        if found is None:
            found = self._open[number] = OpenInterval(self.rule, self._parts, number)
        return found

    def _rows_of(self, names: Sequence[str]) -> Ints:
        known = self._row_of
        found = [known.get(name, -1) for name in names]
        if -1 in found:
            for name in names:
                if name not in known:
                    known[name] = self._take(name)
            self._grow()
            self._rows_dirty = True
            found = [known[name] for name in names]
        return np.array(found, np.int64)

    def _take(self, name: str) -> int:
        row = self._free.pop() if self._free else len(self._names)
        if row == len(self._names):
            self._names.append(name)
        self._names[row] = name
        return row

    def _grow(self) -> None:
        more = len(self._names) - len(self._first)
        if more > 0:
            more = max(more, len(self._first) // 2, 16)
            self._first = np.concatenate([self._first, np.full(more, -NEVER)])
            self._heard = np.concatenate([self._heard, np.full(more, NEVER)])
            blank = np.full((more, self._before.shape[1]), np.nan)
            self._before = np.concatenate([self._before, blank])

    def _first_of(self, rows: Ints, numbers: Ints) -> None:
        if (self._first[rows] > numbers).any():
            np.minimum.at(self._first, rows, numbers)
            self._rows_dirty = True

    # -- time --------------------------------------------------------------------------------------------------

    def due(self, clock: int) -> bool:
        """Return whether an interval could be closed at a time (event time, epoch ms)."""
        return self._last_due(clock) > self.closed_through and bool(self._open or self._waits_for_empty())

    def _last_due(self, clock: int) -> int:
        return (clock - self.rule.wait_ms) // self.rule.every_ms - 1

    def _waits_for_empty(self) -> bool:
        return self.rule.empty != "missing" and self.closed_through > NEVER and bool(self._row_of)

    def close(self, clock: int) -> Closed | None:
        """Close intervals that end ``wait`` before a time, :data:`MAX_POINTS` observations or so at once.

        Args:
            clock: event time that has come, epoch ms.

        Returns:
            What they gave; None: nothing is due. Call it again until it is None.
        """
        last = self._last_due(clock)
        if self.crowded:
            enough = sorted(self._open)[len(self._open) - MAX_OPEN - 1]
            self.forced += enough > last
            last = max(last, enough)
        found: list[tuple[int, Ints, Floats, Ints]] = []
        points = 0
        while self.closed_through < last and points < MAX_POINTS:
            number = self._next(last)
            if number is None:
                break
            rows, values, events = self._closed(number)
            self.closed_through = number
            self._rows_dirty = True
            if len(rows):
                found.append((number, rows, values, events))
                points += len(rows)
        if not found:
            return None
        codes = np.concatenate([rows for _, rows, _, _ in found])
        ts = np.repeat([number * self.rule.every_ms for number, *_ in found], [len(rows) for _, rows, _, _ in found])
        used, codes = np.unique(codes, return_inverse=True)
        names = [str(self._names[row]) for row in used.tolist()]
        values, events = np.concatenate([one[2] for one in found]), np.concatenate([one[3] for one in found])
        closed = Closed(names, codes, ts.astype(np.int64), values, events)
        self._forget()
        return closed

    def _next(self, last: int) -> int | None:
        """Return the next interval that gives something, up to ``last``; None: there is none."""
        if self._waits_for_empty():
            return self.closed_through + 1
        following = min(self._open, default=last + 1)
        return following if following <= last else None

    def _closed(self, number: int) -> tuple[Ints, Floats, Ints]:
        """Take an interval: (n,) rows, (n, measures) values, (n,) numbers of events."""
        size, rule = len(self._names), self.rule
        interval = self._open.pop(number, None)
        events = np.zeros(size, np.int64) if interval is None else interval.events(size)
        full = np.flatnonzero(events)
        values = np.full((size, len(rule.measures)), np.nan)
        if interval is not None:
            values[full] = interval.values(full)
        self._heard[full] = number
        if rule.empty == "missing":
            return full, values[full], events[full]
        goes_on = (self._first[:size] <= number) & (
            number - self._heard[:size] <= rule.forget_after_ms // rule.every_ms
        )
        empty = goes_on & (events == 0)
        values[empty] = self._zeros() if rule.empty == "zero" else self._before[:size][empty]
        rows = np.flatnonzero(goes_on)
        self._before[rows] = values[rows]
        return rows, values[rows], events[rows]

    def _zeros(self) -> Floats:
        """Return (measures,) what an interval without events is with ``empty: zero``."""
        counted = {"count", "sum", "distinct", "increase", "rate"}
        found = {one.name: 0.0 if one.function in counted else np.nan for one in self.rule.measures}
        for one in self.rule.measures:
            if one.function == "-" and found[one.of[0]] == found[one.of[1]] == 0.0:
                found[one.name] = 0.0
        return np.array([found[one.name] for one in self.rule.measures])

    def _forget(self) -> None:
        """Free the rows of series that have been silent for too long, for the next new ones."""
        size = len(self._names)
        first, limit = self._first[:size], self.rule.forget_after_ms // self.rule.every_ms
        # -NEVER: free, or of a series of which only late events came
        silent = (self.closed_through - self._heard[:size] > limit) & (
            (first <= self.closed_through) | (first == -NEVER)
        )
        silent[self._free] = False
        if not silent.any():
            return
        for interval in self._open.values():
            silent &= interval.events(size) == 0
        rows = np.flatnonzero(silent)
        for row in rows.tolist():
            del self._row_of[str(self._names[row])]
            self._names[row] = None
        self._free += rows.tolist()
        self._first[rows], self._heard[rows], self._before[rows] = -NEVER, NEVER, np.nan

    # -- state -------------------------------------------------------------------------------------------------

    def changes(self) -> dict[str, dict[str, NDArray[Any]] | str | None]:
        """Return what changed since the last call, by key: arrays, a text, or None for what is gone."""
        found: dict[str, dict[str, NDArray[Any]] | str | None] = {}
        for number in self._written - self._open.keys():
            found[str(number)] = None
        for number, interval in self._open.items():
            if interval.dirty:
                found[str(number)] = interval.saved()
                interval.dirty = False
        self._written = set(self._open)
        if self._rows_dirty:
            size = len(self._names)
            found["rows"] = {
                "first": self._first[:size], "heard": self._heard[:size], "before": self._before[:size],
                "closed_through": np.array([self.closed_through]),
            }  # fmt: skip
            found["names"] = json.dumps(self._names, ensure_ascii=False)
            self._rows_dirty = False
        return found

    def restore(self, entries: Mapping[str, dict[str, NDArray[Any]] | str]) -> None:
        """Fill a new aggregator from all entries."""
        for key, entry in entries.items():
            if isinstance(entry, str):
                self._names = json.loads(entry)
                self._row_of = {name: row for row, name in enumerate(self._names) if name is not None}
                self._free = [row for row, name in enumerate(self._names) if name is None]
            elif key == "rows":
                self._first, self._heard, self._before = entry["first"], entry["heard"], entry["before"]
                self.closed_through = int(entry["closed_through"][0])
            else:
                self._interval(int(key)).restore(entry)
        self._grow()
        self._written = set(self._open)
        self._rows_dirty = False
