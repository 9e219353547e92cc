"""Tell how far event time has come for the intervals of some sources.

While events come, their times are the clock: that of the slowest of the subtasks in use. When they stop, it goes on
with the clock on the wall, so that an interval without events ends as well, but only where a source is live
(:class:`~eddy.models.windowing.live_clock.LiveClock`): a pause of a replay is no pause of its events.
"""

from __future__ import annotations

from eddy.models.windowing.live_clock import LiveClock

IDLE_MS = 10_000
UNKNOWN = -(1 << 62)  # no event time has come yet


class IntervalClock:
    """Follow the event time of some sources together.

    Args:
        max_lag_ms: how old events of a live source are at most when they come.
        idle_ms: without a record for so long, a source or subtask holds up no other.

    Examples:
        >>> clock = IntervalClock(60_000)
        >>> clock.observe(0, 0, watermark=100_000, last=105_000)
        >>> [clock.at(now) for now in (107_000, 125_000)]  # 20 s later nothing else has come
        [100000, 120000]
        >>> old = IntervalClock(60_000)
        >>> old.observe(0, 0, watermark=100_000, last=9_000_000)  # from the past: it stays there
        >>> old.at(9_500_000)
        100000
    """

    def __init__(self, max_lag_ms: int, idle_ms: int = IDLE_MS) -> None:
        self._max_lag_ms, self._idle_ms = max_lag_ms, idle_ms
        self._feeds: dict[tuple[int, int], LiveClock] = {}
        self._last: dict[tuple[int, int], int] = {}  # wall clock of the newest record
        self._reached = UNKNOWN

    def observe(self, source: int, subtask: int, watermark: int, last: int) -> None:
        """Take what a subtask says of a source.

        Args:
            source, subtask: whose event time it is.
            watermark: event time that its partitions in use have come to, epoch ms; below :data:`UNKNOWN`: none yet.
            last: when its newest record came, wall clock, epoch ms.
        """
        feed = self._feeds.setdefault((source, subtask), LiveClock(self._max_lag_ms))
        self._last[source, subtask] = last
        if watermark > UNKNOWN:
            feed.note(watermark, last)

    def at(self, now: int) -> int:
        """Return the event time that has come, epoch ms; it never goes back.

        Args:
            now: wall clock, epoch ms.
        """
        feeds = self._feeds
        active = [feed for key, feed in feeds.items() if now - self._last[key] < self._idle_ms]
        if active:
            found = min(UNKNOWN if feed.event is None else feed.event for feed in active)
        else:
            found = max((feed.at(now) or UNKNOWN for feed in feeds.values()), default=UNKNOWN)
        self._reached = max(self._reached, found)
        return self._reached

    def newest(self) -> int:
        """Return the newest event time of all."""
        return max((feed.event or UNKNOWN for feed in self._feeds.values()), default=UNKNOWN)
