"""Tell how far event time has come for the intervals of some sources.

While events come, their times are the clock: that of the slowest of the subtasks that wait for more. When they stop, it
goes on with the clock on the wall, so that an interval without events ends as well, but only where a source is live
(:class:`~eddy.models.windowing.live_clock.LiveClock`): a pause of a replay is no pause of its events.

Whether a subtask waits for more is what it said last, not how long ago that was: what it sent may be on its way.
"""

from __future__ import annotations

from collections.abc import Collection

from eddy.models.windowing.live_clock import LiveClock

UNKNOWN = -(1 << 62)  # no event time has come yet
PATIENCE_MS = 60_000  # with subtasks that say nothing at all: those that had ended before a restart


class IntervalClock:
    """Follow the event time of some sources together.

    Args:
        sources: their numbers.
        max_lag_ms: how old events of a live source are at most when they come.

    Examples:
        >>> clock = IntervalClock({0}, 60_000)
        >>> clock.observe(0, 0, watermark=100_000, last=105_000, active=True)
        >>> clock.at(107_000, subtasks=1)
        100000
        >>> clock.observe(0, 0, watermark=100_000, last=105_000, active=False)  # nothing else has come
        >>> clock.at(125_000, subtasks=1)
        120000
        >>> old = IntervalClock({0}, 60_000)
        >>> old.observe(0, 0, watermark=100_000, last=9_000_000, active=False)  # from the past: it stays there
        >>> old.at(9_500_000, subtasks=1)
        100000
    """

    def __init__(self, sources: Collection[int], max_lag_ms: int) -> None:
        self._sources, self._max_lag_ms = frozenset(sources), max_lag_ms
        self._feeds: dict[tuple[int, int], LiveClock] = {}
        self._active: dict[tuple[int, int], bool] = {}
        self._first: int | None = None  # wall clock when the time was asked for
        self._reached = UNKNOWN

    def observe(self, source: int, subtask: int, watermark: int, last: int, active: bool) -> None:
        """Take what a subtask says of a source.

        Args:
            source, subtask: whose event time it is.
            watermark: event time that its partitions in use have come to, epoch ms; below :data:`UNKNOWN`: none yet.
            last: when its newest record came, wall clock, epoch ms.
            active: whether it waits for more.
        """
        feed = self._feeds.setdefault((source, subtask), LiveClock(self._max_lag_ms))
        self._active[source, subtask] = active
        if watermark > UNKNOWN:
            feed.note(watermark, last)

    def at(self, now: int, subtasks: int) -> int:
        """Return the event time that has come, epoch ms; it never goes back.

        Args:
            now: wall clock, epoch ms.
            subtasks: how many read each source; before all of them have said something nothing is known.
        """
        self._first = now if self._first is None else self._first
        if len(self._feeds) < subtasks * len(self._sources) and now - self._first < PATIENCE_MS:
            return self._reached
        active = [feed for key, feed in self._feeds.items() if self._active[key]]
        if active:
            found = min(UNKNOWN if feed.event is None else feed.event for feed in active)
        else:
            found = max((feed.at(now) or UNKNOWN for feed in self._feeds.values()), default=UNKNOWN)
        self._reached = max(self._reached, found)
        return self._reached

    def newest(self) -> int:
        """Return the newest event time of all."""
        return max((feed.event or UNKNOWN for feed in self._feeds.values()), default=UNKNOWN)
