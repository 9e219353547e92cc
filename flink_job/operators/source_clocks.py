"""Know how far the event time of each source that Python reads has come in one subtask: its watermark.

``jvm/…/SourceClocks.java`` has the same for the sources that the JVM reads, and the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eddy.inputs.mapping import Observation
from eddy.inputs.record import Record
from eddy.settings import Settings

IDLE_MS = 10_000  # without a record a partition holds nothing back
HOLD_MS = 5_000  # at first: of the partitions one may be read long before the others
NONE = -(1 << 63)  # no event time is known

Clock = tuple[int, int, int]


def wants_clocks(settings: Settings) -> bool:
    """Return whether frames are to say how far the event time of each source has come."""
    return bool(settings.alerts.silent) or any(source.aggregate is not None for source in settings.input)


@dataclass
class _Partition:
    newest: int = NONE
    last: int = NONE


@dataclass
class _Source:
    since: int
    last: int = NONE
    watermark: int = NONE
    partitions: dict[tuple[str, int], _Partition] = field(default_factory=dict)

    def advance(self, now: int) -> int:
        known = [one for one in self.partitions.values() if one.newest != NONE]
        active = [one.newest for one in known if now - one.last <= IDLE_MS]
        if known and now >= self.since + HOLD_MS:
            self.watermark = max(self.watermark, min(active) if active else max(one.newest for one in known))
        return self.watermark


class SourceClocks:
    """Take note of records, and say the clocks that a frame ends with.

    Args:
        max_ahead_ms: how far an event may lie ahead of its Kafka timestamp to count; 0 = no limit.

    Examples:
        >>> clocks = SourceClocks(0)
        >>> clocks.read(2, Record("t"), [Observation("s", 7_000, {})], now=100)
        >>> clocks.at(101) == ((2, NONE, 100),), clocks.at(5_100)
        (True, ((2, 7000, 100),))
    """

    def __init__(self, max_ahead_ms: int) -> None:
        self._max_ahead_ms = max_ahead_ms
        self._sources: dict[int, _Source] = {}

    def read(self, number: int, record: Record, observations: Iterable[Observation], now: int) -> None:
        """Take note of a record of a source and of its observations."""
        source = self._sources.setdefault(number, _Source(now))
        partition = source.partitions.setdefault((record.topic, record.partition), _Partition())
        partition.last = source.last = now
        limited = self._max_ahead_ms and record.timestamp >= 0
        for one in observations:
            if not limited or one.ts <= record.timestamp + self._max_ahead_ms:
                partition.newest = max(partition.newest, one.ts)

    def end(self) -> None:
        """Nothing follows: what has come is all that there is, and no partition is waited for."""
        for source in self._sources.values():
            source.watermark = max([source.watermark, *(one.newest for one in source.partitions.values())])

    def at(self, now: int) -> tuple[Clock, ...]:
        """Return number, watermark and wall clock of the newest record of each source that something was read of."""
        return tuple((number, one.advance(now), one.last) for number, one in sorted(self._sources.items()))
