"""Events of series that no model applies to yet: kept, the newest of each, until one comes."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST = 16_384  # events, over all series of a shard


@dataclass(frozen=True)
class PendingEvent:
    """An event as it came: Kafka timestamp, place in the topic (-1: kept by a version that did not know), value."""

    ts: int
    value: bytes
    partition: int = -1
    offset: int = -1


class PendingEvents:
    """The waiting events of one shard.

    Attributes:
        changed: whether there is news since :meth:`to_bytes`.
    """

    def __init__(self, per_series: int) -> None:
        self.changed = False
        self._per_series = per_series
        self._events: dict[str, deque[PendingEvent]] = {}
        self._total = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def series(self) -> list[str]:
        """Whose events wait."""
        return list(self._events)

    def add(self, series: str, event: PendingEvent) -> int:
        """Keep an event; returns how many were dropped for it: 0 or 1."""
        if not self._per_series:
            return 1
        queue = self._events.setdefault(series, deque())
        queue.append(event)
        self._total += 1
        self.changed = True
        if len(queue) <= self._per_series and self._total <= MOST:
            return 0
        # The windows need the newest points, so the oldest go; the metric says that the series is still warming.
        longest = queue if len(queue) > 1 else max(self._events.values(), key=len)
        longest.popleft()
        self._total -= 1
        return 1

    def take(self, names: Iterable[str]) -> Iterator[tuple[str, PendingEvent]]:
        """Give up the events of some series, in order."""
        for name in names:
            events = self._events.pop(name)
            self._total -= len(events)
            self.changed = True
            yield from ((name, event) for event in events)

    def to_bytes(self) -> bytes:
        """For keyed state; empty if none wait."""
        self.changed = False
        rows = [
            (series, event.ts, base64.b64encode(event.value).decode(), event.partition, event.offset)
            for series, queue in self._events.items()
            for event in queue
        ]
        return json.dumps(rows).encode() if rows else b""

    def restore(self, blob: bytes) -> None:
        """Take back what :meth:`to_bytes` gave, of an earlier version too: without the places."""
        for series, ts, value, *place in json.loads(blob) if blob else []:
            self.add(series, PendingEvent(ts, base64.b64decode(value), *place))
