"""Keep what is known of the pauses of many series, by row: about 220 bytes each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.core.detector import Ints
from eddy.models.silence.hours import EVER
from eddy.models.silence.kernel import DTYPE, FIELDS, NEVER, SILENCE, fall_due, observe_all

__all__ = ["EVER", "NEVER", "PauseTable", "Silence"]

_NAMES = frozenset(name for name, *_ in FIELDS)


class Silence(NamedTuple):
    """A silence that was longer than allowed; times in ms.

    Attributes:
        row: whose. last: event time of its last event.
        allowed: silence that is allowed; usual: the longest usual pause, 0 where none was learned.
        open, high, critical: event times at which it reaches each level; EVER: that is not known.
        silent: how much of it counts, up to ``until``.
    """

    row: int
    last: int
    allowed: int
    usual: int
    open: int
    high: int
    critical: int
    silent: int
    until: int


class PauseTable:
    """Learn the pauses and hours of series from their events; find those that are silent for too long.

    The results do not depend on how events are batched.

    Attributes:
        rows: (rows,) records, see ``kernel.FIELDS``.
        clocks: (feeds,) event time that each feed has come to by its events; NEVER: it brought none.
    """

    def __init__(self) -> None:
        self.rows: NDArray[np.void] = _new(0)
        self.clocks = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = size - len(self)
        if more > 0:
            self.rows = np.concatenate([self.rows, _new(max(more, len(self), 64))])

    def add_feeds(self, number: int) -> None:
        """Make room for more feeds."""
        self.clocks = np.concatenate([self.clocks, np.full(number, NEVER)])

    def bind(self, rows: Ints, after: Sequence[int]) -> None:
        """Set what is allowed for rows: ms, or ``kernel.AUTO`` or ``kernel.OFF``."""
        self.rows["after"][rows] = after

    def forget(self, rows: Ints) -> None:
        """Reset rows that are to be reused; what is allowed for them stays."""
        after = self.rows["after"][rows]
        self.rows[rows] = _new(len(rows))
        self.rows["after"][rows] = after

    def observe(self, rows: Ints, ts: Ints, feeds: Ints) -> list[Silence]:
        """Take events in order of arrival, (n,) each; return the silences that they end, open ones included."""
        found = np.empty((len(rows), len(SILENCE)), np.int64)
        count = observe_all((rows, ts, feeds), self.rows, self.clocks, found)
        return [Silence(*one) for one in found[:count].tolist()]

    def fallen_silent(self, clocks: Ints, limit: int = 1000) -> list[Silence]:
        """Return the silences that have become too long by the clocks of the feeds; they are open from now on.

        Args:
            clocks: (feeds,) event time of each.
            limit: how many at most; the others come with the next call.
        """
        due, feed, is_open = self.rows["due"], self.rows["feed"], self.rows["open"]
        if not len(clocks):
            return []
        candidates = np.flatnonzero((due < clocks[feed]) & ~is_open)
        if not len(candidates):
            return []
        found = np.empty((min(len(candidates), limit), len(SILENCE)), np.int64)
        count = fall_due(candidates, clocks, self.rows, found)
        return [Silence(*one) for one in found[:count].tolist()]

    def skip(self, rows: Ints, elapsed: int) -> None:
        """Leave a time out of the silence of rows: nothing at all came then."""
        self.rows["skipped"][rows] += elapsed
        due = self.rows["due"]
        due[rows] = np.minimum(due[rows] + elapsed, EVER)

    def lag(self, row: int) -> int:
        """Return how far a row tends to be behind the clock of its feed, ms."""
        return int(self.rows["lag"][row].max())

    def saved(self, rows: slice) -> dict[str, NDArray[Any]]:
        """Return the arrays of a block of rows, but for what settings say."""
        return {name: self.rows[name][rows] for name, *_ in FIELDS if name != "after"}

    def restore(self, start: int, saved: Mapping[str, NDArray[Any]]) -> None:
        """Put a block back that :meth:`saved` gave; fields that are missing are those of a new row."""
        for name, array in saved.items():
            if name in _NAMES:
                self.rows[name][start : start + len(array)] = array


def _new(size: int) -> NDArray[np.void]:
    rows = np.zeros(size, DTYPE)
    for name, _, _, value in FIELDS:
        rows[name] = value
    return rows
