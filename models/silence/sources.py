"""Follow whole sources, on the wall clock: when one falls silent its series have nothing to answer for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.silence.hours import EVER
from eddy.models.silence.kernel import MIN_SILENCE_MS, NEVER, allowed
from eddy.models.silence.pauses import PauseTable, Silence
from eddy.models.windowing.live_clock import LiveClock

NO_EVENT = -(2**63)  # event time in a frame's clocks of a source that none of whose events had one


class Outage(NamedTuple):
    """A pause of a whole source that its series are not to answer for."""

    source: int
    elapsed: int


class SourceWatch:
    """Learn the pauses of whole sources from the clocks of frames; one row of a :class:`PauseTable` for each.

    Only what comes live counts: how long a replay takes from one record to the next says nothing.

    Args:
        after: silence that is allowed, as ``PauseTable.bind`` takes it.

    Attributes:
        pauses: by row; ``row_of``: rows by number of the source.
        newest: wall clock of the newest record anywhere, by number of the source.
    """

    def __init__(self, after: int) -> None:
        self._after = after
        self.pauses = PauseTable()
        self.pauses.add_feeds(1)
        self.row_of: dict[int, int] = {}
        self.newest: dict[int, int] = {}
        self._clocks: dict[int, dict[int, LiveClock]] = {}

    def note(
        self, subtask: int, clocks: Iterable[tuple[int, int, int]], own: Mapping[int, bool]
    ) -> tuple[list[tuple[int, Silence]], list[Outage]]:
        """Take the clocks of a frame.

        Args:
            subtask: of the source, that sent the frame.
            clocks: number of the source, event time that it has come to, wall clock of its newest record.
            own: sources that this shard has feeds of, and whether any of those is live.

        Returns:
            The silences of sources that are over, and the pauses that their series are not to answer for.
        """
        over: list[tuple[int, Silence]] = []
        outages = []
        for source, event, last in clocks:
            if event != NO_EVENT:
                self._clocks.setdefault(source, {}).setdefault(subtask, LiveClock()).note(event, last)
            before = self.newest.get(source)
            if before is not None and last <= before:
                continue
            row = self._row(source)
            self.newest[source] = last
            if before is None and self.pauses.rows["last"][row] != NEVER:  # the job was down
                outages.append(Outage(source, max(last - int(self.pauses.rows["last"][row]), 0)))
            if before is None or not self.live(source, own):
                over += [(source, one) for one in self._restart(row, last)]
                continue
            usual = allowed(self.pauses.rows[row])
            limit = min(usual, MIN_SILENCE_MS) // 2 if usual == EVER else usual // 2
            if last - before > limit:
                outages.append(Outage(source, last - before))
            over += [(source, one) for one in self._observe(row, last)]
        return over, outages

    def live(self, source: int, own: Mapping[int, bool]) -> bool:
        """Return whether a source sends what happens now.

        The clock of the observations topic is that of Kafka's timestamps, by which a replay is live as well: what this
        shard has read of it knows better.
        """
        if source < 0 and source in own:
            return own[source]
        return any(one.live for one in self._clocks.get(source, {}).values())

    def fallen_silent(self, now: int, own: Mapping[int, bool]) -> list[tuple[int, Silence]]:
        """Return the sources whose silence has become too long by the wall clock, epoch ms."""
        for source, row in self.row_of.items():
            if not self.live(source, own) or source not in self.newest:
                self.pauses.rows["due"][row] = EVER
        source_of = {row: source for source, row in self.row_of.items()}
        return [(source_of[one.row], one) for one in self.pauses.fallen_silent(np.array([now]))]

    def _row(self, source: int) -> int:
        row = self.row_of.get(source)
        if row is None:
            row = self.row_of[source] = len(self.row_of)
            self.pauses.grow(row + 1)
            self.pauses.bind(np.array([row]), [self._after])
        return row

    def _observe(self, row: int, at: int) -> list[Silence]:
        return self.pauses.observe(np.array([row]), np.array([at]), np.zeros(1, np.int64))

    def _restart(self, row: int, at: int) -> list[Silence]:
        """Have a row go on at a time, the pause before which says nothing."""
        rows = self.pauses.rows
        if rows["last"][row] == NEVER or rows["open"][row]:
            return self._observe(row, at)
        rows["skipped"][row] = max(at - int(rows["last"][row]), 0)
        return self._observe(row, at)

    def saved(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, as arrays."""
        return {"source": np.array([*self.row_of], np.int64), **self.pauses.saved(slice(0, len(self.row_of)))}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Put the result of :meth:`saved` back."""
        for source in saved["source"].tolist():
            self._row(source)
        self.pauses.restore(0, saved)
