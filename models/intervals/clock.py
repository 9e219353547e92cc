"""Tell how far event time has come in sources that are read live, or again from the past.

While events come, their times are the clock: the newest time less nothing, the slowest of all partitions in use. When
they stop, the clock goes on with the clock on the wall, so that an interval without events ends as well. But only where
the source is *live*: a topic that is read again, faster than its events happened, has pauses that mean nothing, and an
end. A source is live if its newest event came at most ``max_lag_ms`` after its time, or if this lag has been the same
(:data:`STEADY_WITHIN_MS`) for :data:`STEADY_MS` of events that came: a feed that is an hour behind. A replay catches
up: its lag shrinks.
"""

from __future__ import annotations

from dataclasses import dataclass

IDLE_MS = 10_000
STEADY_WITHIN_MS = 10_000
STEADY_MS = 180_000
NEVER = -(1 << 62)


@dataclass
class _Feed:
    """What one subtask has read of one source."""

    watermark: int
    last: int
    lag: int  # of the newest event
    anchor: int  # lag that it is compared with
    since: int  # wall clock from which on it has stayed near that

    def observe(self, watermark: int, last: int) -> None:
        self.watermark = max(self.watermark, watermark)
        if last <= self.last:
            return
        self.last, self.lag = last, last - self.watermark
        if abs(self.lag - self.anchor) > STEADY_WITHIN_MS:
            self.anchor, self.since = self.lag, last

    def at(self, now: int, max_lag_ms: int) -> int:
        live = self.lag <= max_lag_ms or self.last - self.since >= STEADY_MS
        return self.watermark + max(now - self.last, 0) if live else self.watermark


class LiveClock:
    """Follow the event time of some sources together.

    Args:
        max_lag_ms: how old events of a live source are at most when they come.
        idle_ms: without a record for so long, a source or subtask holds up no other.

    Examples:
        >>> clock = LiveClock(60_000)
        >>> clock.observe(0, 0, watermark=100_000, last=105_000)
        >>> [clock.at(now) for now in (107_000, 125_000)]  # 20 s later nothing else has come
        [100000, 120000]
        >>> old = LiveClock(60_000)
        >>> old.observe(0, 0, watermark=100_000, last=9_000_000)  # from the past: it stays there
        >>> old.at(9_500_000)
        100000
    """

    def __init__(self, max_lag_ms: int, idle_ms: int = IDLE_MS) -> None:
        self._max_lag_ms, self._idle_ms = max_lag_ms, idle_ms
        self._feeds: dict[tuple[int, int], _Feed] = {}
        self._reached = NEVER

    def observe(self, source: int, subtask: int, watermark: int, last: int) -> None:
        """Take what a subtask says of a source.

        Args:
            watermark: event time that its partitions in use have come to, epoch ms.
            last: when its newest record came, wall clock, epoch ms.
        """
        feed = self._feeds.get((source, subtask))
        if feed is None:
            lag = last - watermark
            self._feeds[source, subtask] = _Feed(watermark, last, lag, lag, last)
        else:
            feed.observe(watermark, last)

    def at(self, now: int) -> int:
        """Return the event time that has come, epoch ms; it never goes back. :data:`NEVER`: none yet.

        Args:
            now: wall clock, epoch ms.
        """
        feeds = self._feeds.values()
        if not feeds:
            return self._reached
        active = [feed.watermark for feed in feeds if now - feed.last < self._idle_ms]
        found = min(active) if active else max(feed.at(now, self._max_lag_ms) for feed in feeds)
        self._reached = max(self._reached, found)
        return self._reached

    def newest(self) -> int:
        """Return the newest event time of all; :data:`NEVER`: none."""
        return max((feed.watermark for feed in self._feeds.values()), default=NEVER)

    @property
    def last(self) -> int:
        """When the newest record of all came, wall clock; :data:`NEVER`: none has."""
        return max((feed.last for feed in self._feeds.values()), default=NEVER)
