"""Keep events of series that no model applies to yet, the newest of each, until a model comes."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

#: events, and bytes of their values, over all series of a shard
MAX_EVENTS, MAX_BYTES = 16_384, 8 * 1024 * 1024
_EVENT_BYTES = 128  # what an event takes beside its value: many small ones are much as well


@dataclass(frozen=True)
class PendingEvent:
    """An event as it came.

    Attributes:
        ts: Kafka timestamp, epoch ms.
        value: of the record.
        partition, offset: place in the topic; -1 where state of an earlier version did not hold it.
        topic: of the input source that it was read from; empty = the observations topic.
    """

    ts: int
    value: bytes
    partition: int = -1
    offset: int = -1
    topic: str = ""

    @property
    def place(self) -> tuple[int | str, ...]:
        """Return the offset and, where there is one, the topic, for keyed state."""
        return (self.offset, self.topic) if self.topic else (self.offset,)


@dataclass
class _Queue:
    events: deque[PendingEvent]
    encoded: bytes = b""  # the events for keyed state; empty where they changed since
    bytes: int = 0  # of the events' values
    level: int = 0  # its class


class PendingEvents:
    """Hold the pending events of one shard, within bounds; adding one takes constant time, also when all is full.

    Windows need the newest points of a series, so its oldest event is dropped where it has more than ``per_series``.
    Where the shard has more than :data:`MAX_EVENTS` or :data:`MAX_BYTES`, a series with about the most of them loses
    its oldest: series are kept in classes by the power of two of what they hold, and one of the highest class gives one
    up, that of the new event if it is among them.

    Args:
        per_series: events kept of one series; 0 = none at all.

    Attributes:
        changed: whether anything changed since :meth:`to_bytes`.
        bytes: of all values kept.
    """

    def __init__(self, per_series: int) -> None:
        self.changed = False
        self.bytes = 0
        self._per_series = per_series
        self._queues: dict[str, _Queue] = {}
        self._classes: list[dict[str, None]] = []  # series by the bit length of what they hold, in turn
        self._total = 0
        self._overflow = 0  # events dropped for the shard's bounds

    def __len__(self) -> int:
        return len(self._queues)

    @property
    def series(self) -> list[str]:
        """Names of the series that have pending events."""
        return list(self._queues)

    def newest(self) -> list[int]:
        """Return the Kafka timestamp of each series' newest event, in the order of :attr:`series`."""
        return [queue.events[-1].ts for queue in self._queues.values()]

    def add(self, series: str, event: PendingEvent) -> int:
        """Keep an event; returns how many were dropped for it, possibly itself."""
        if not self._per_series:
            return 1
        queue = self._queues.get(series)
        if queue is None:
            queue = self._queues[series] = _Queue(deque())
        queue.events.append(event)
        self._total += 1
        self._resize(series, queue, len(event.value))
        self.changed = True
        dropped = 0
        if len(queue.events) > self._per_series:
            dropped += self._drop_oldest(series)
        while self._total > MAX_EVENTS or self.bytes > MAX_BYTES:
            self._overflow += 1
            among_largest = queue.level == len(self._classes) - 1 and len(queue.events) > 1
            dropped += self._drop_oldest(series if among_largest else next(iter(self._classes[-1])))
        return dropped

    def take_overflow(self) -> int:
        """Return how many events were dropped for the shard's bounds since the last call."""
        taken, self._overflow = self._overflow, 0
        return taken

    def take(self, names: Iterable[str]) -> Iterator[tuple[str, PendingEvent]]:
        """Give up the events of some series, in order; a series without any gives none."""
        for name in names:
            yield from ((name, event) for event in self._remove(name))

    def keep_only(self, series: Container[str]) -> int:
        """Forget the events of all other series; returns how many events that were."""
        return sum(len(self._remove(name)) for name in self.series if name not in series)

    def to_bytes(self) -> bytes:
        """Encode the events for keyed state; empty if there are none. Only series that changed cost anything."""
        self.changed = False
        for series, queue in self._queues.items():
            if not queue.encoded:
                rows = [
                    (series, event.ts, base64.b64encode(event.value).decode(), event.partition, *event.place)
                    for event in queue.events
                ]
                queue.encoded = json.dumps(rows)[1:-1].encode()
        return b"[%b]" % b", ".join(queue.encoded for queue in self._queues.values()) if self._queues else b""

    def restore(self, blob: bytes) -> None:
        """Take back what :meth:`to_bytes` gave, also of an earlier version, which kept no places."""
        for series, ts, value, *place in json.loads(blob) if blob else []:
            self.add(series, PendingEvent(ts, base64.b64decode(value), *place))

    def _drop_oldest(self, series: str) -> int:
        queue = self._queues[series]
        event = queue.events.popleft()
        self._total -= 1
        self._resize(series, queue, -len(event.value))
        return 1

    def _remove(self, series: str) -> deque[PendingEvent]:
        queue = self._queues.get(series)
        if queue is None:
            return deque()
        events, queue.events = queue.events, deque()
        self._total -= len(events)
        self._resize(series, queue, -sum(len(event.value) for event in events))
        self.changed = True
        return events

    def _resize(self, series: str, queue: _Queue, more: int) -> None:
        """Follow a change of a queue by so many bytes: its series may move to another class."""
        self.bytes += more
        queue.bytes += more
        queue.encoded = b""
        before, queue.level = queue.level, (queue.bytes + _EVENT_BYTES * len(queue.events)).bit_length()
        if before == queue.level:
            return
        if before:
            del self._classes[before][series]
        if queue.level:
            self._classes += [{} for _ in range(queue.level + 1 - len(self._classes))]
            self._classes[queue.level][series] = None
        else:
            del self._queues[series]
        while self._classes and not self._classes[-1]:
            self._classes.pop()
