"""Know how far the event time of each source that Python reads has come in one subtask: its watermark.

``jvm/…/SourceClocks.java`` has the same for the sources that the JVM reads, and the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from eddy.flink_job.wire.frames import Clock
from eddy.input_settings import InputSource
from eddy.inputs.mapping import Observation
from eddy.inputs.record import Record
from eddy.settings import Settings

IDLE_MS = 10_000  # without a record a partition holds nothing back
HOLD_MS = 5_000  # at first: of the partitions one may be read long before the others
NONE = -(1 << 63)  # no event time is known
_LONGEST_MS = 2_000  # between two frames of the JVM, if nothing holds it up
_DELAY_MS = 1_000  # until shards hear of it


def idle_ms(source: InputSource) -> int:
    """Return how long nothing may come of a source in a subtask before that holds up no other, ms.

    Less than an interval waits: it is to be closed in time where a partition is silent.
    """
    wait = IDLE_MS if source.aggregate is None else source.aggregate.wait - _DELAY_MS
    return min(max(wait, _DELAY_MS), IDLE_MS)


def wants_clocks(settings: Settings) -> bool:
    """Return whether frames are to say how far the event time of each source has come."""
    return bool(settings.alerts.silent) or any(source.aggregate is not None for source in settings.input)


@dataclass
class _Partition:
    newest: int = NONE
    last: int = 0  # of the time that passed


@dataclass
class _Source:
    idle_ms: int
    heard: int = 0  # the time that had passed when its newest record came
    hold_until: int | None = None
    last: int = NONE  # wall clock of its newest record
    watermark: int = NONE
    ended: bool = False
    partitions: dict[tuple[str, int], _Partition] = field(default_factory=dict)

    def advance(self, passed: int) -> int:
        known = [one for one in self.partitions.values() if one.newest != NONE]
        active = [one.newest for one in known if passed - one.last <= IDLE_MS]
        if known and self.hold_until is not None and passed >= self.hold_until:
            self.watermark = max(self.watermark, min(active) if active else max(one.newest for one in known))
        return self.watermark


class SourceClocks:
    """Take note of records, and say the clocks that a frame ends with.

    Args:
        max_ahead_ms: how far an event may lie ahead of its Kafka timestamp to count; 0 = no limit.
        idle: the numbers of the sources that are read here, and the :func:`idle_ms` of each.

    Examples:
        >>> clocks = SourceClocks(0, {2: 10_000})
        >>> clocks.at(0) == ((2, NONE, NONE, True),)  # something may come
        True
        >>> clocks.read(2, Record("t"), [Observation("s", 7_000, {})], now=100)
        >>> for now in range(1_000, 6_000, 1_000):
        ...     found = clocks.at(now)
        >>> found == ((2, NONE, 100, True),), clocks.at(5_100)[0].watermark
        (True, 7000)
    """

    def __init__(self, max_ahead_ms: int, idle: Mapping[int, int]) -> None:
        self._max_ahead_ms = max_ahead_ms
        self._sources = {number: _Source(ms) for number, ms in sorted(idle.items())}
        self._passed = 0  # ms in which records could be read
        self._polled: int | None = None  # wall clock when that was last added to

    def _pass(self, now: int) -> None:
        if self._polled is not None:
            self._passed += min(max(now - self._polled, 0), _LONGEST_MS)
        self._polled = now

    def read(self, number: int, record: Record, observations: Iterable[Observation], now: int) -> None:
        """Take note of a record of a source and of its observations."""
        self._pass(now)
        source = self._sources[number]
        if source.hold_until is None:
            source.hold_until = self._passed + HOLD_MS
        partition = source.partitions.setdefault((record.topic, record.partition), _Partition())
        partition.last = source.heard = self._passed
        source.last = now
        limited = self._max_ahead_ms and record.timestamp >= 0
        for one in observations:
            if not limited or one.ts <= record.timestamp + self._max_ahead_ms:
                partition.newest = max(partition.newest, one.ts)

    def end(self) -> None:
        """Nothing follows: what has come is all that there is, and no partition is waited for."""
        for source in self._sources.values():
            source.ended = True
            source.watermark = max([source.watermark, *(one.newest for one in source.partitions.values())])

    def at(self, now: int) -> tuple[Clock, ...]:
        """Return the clock of each source."""
        self._pass(now)
        return tuple(
            Clock(
                number,
                one.advance(self._passed),
                one.last,
                not one.ended and self._passed - one.heard < one.idle_ms,
            )
            for number, one in self._sources.items()
        )
