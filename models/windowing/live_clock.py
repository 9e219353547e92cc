"""Tell the event time of a feed while no record of it comes: by the wall clock, but only where the feed is live."""

from __future__ import annotations

MAX_LAG_MS = 120_000  # by which event times of a live feed differ from the wall clock at most, either way …
STEADY_BAND_MS, STEADY_FOR_MS = 10_000, 300_000  # … unless the difference stayed within a band for so long
_STEADY_NOTES = 3


class LiveClock:
    """Follow the event time of one feed, and decide whether it goes on with the wall clock.

    A feed is live if the newest event time was near the wall clock when it came, or has kept the same distance from it
    for some minutes: data that come an hour late, producers whose clock is wrong. A replay that runs faster than its
    event time is never live, whatever comes next, nor is one that has ended.

    Args:
        max_lag_ms: how near. A replay of data that are nearer to the present than this looks as a live feed does.
    """

    def __init__(self, max_lag_ms: int = MAX_LAG_MS) -> None:
        self._max_lag = max_lag_ms
        self.event: int | None = None  # newest event time
        self.noted = 0  # wall clock when it came
        self._low = self._high = self._since = self._notes = 0  # of the band of lags that it is in
        self._restored = False

    @property
    def live(self) -> bool:
        """Whether event time goes on with the wall clock while no record comes."""
        if self.event is None:
            return False
        steady = self._notes >= _STEADY_NOTES and self.noted - self._since >= STEADY_FOR_MS
        return self._restored or steady or abs(self.noted - self.event) <= self._max_lag

    def note(self, event: int, now: int) -> None:
        """Note the newest event time that has come, and the wall clock when it came, epoch ms."""
        if self.event is not None and event <= self.event:
            return
        lag = now - event
        low, high = min(self._low, lag), max(self._high, lag)
        if self.event is None or self._restored or high - low > STEADY_BAND_MS:
            self._low = self._high = lag
            self._since, self._notes = now, 1
        else:
            self._low, self._high = low, high
            self._notes += 1
        self.event, self.noted, self._restored = event, now, False

    def at(self, now: int) -> int | None:
        """Return the event time at a wall clock, epoch ms; None before the first event."""
        if self.event is None or not self.live:
            return self.event
        return self.event + max(now - self.noted, 0)

    def resume(self, event: int, now: int) -> None:
        """Take up a live clock after a restart: the time that the job was down does not count."""
        self.event, self.noted, self._restored = event, now, True
