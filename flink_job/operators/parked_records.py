"""Keep the records of events that wait to be confirmed: each may become a dead letter yet."""

from __future__ import annotations

import base64
import json
from collections.abc import Container
from dataclasses import dataclass, replace

from eddy.flink_job.operators.dead_letters import KEPT_BYTES, Record, headers_of_cut


@dataclass(frozen=True)
class Parked:
    """A record, and further headers of its dead letter where its value was cut."""

    record: Record
    headers: dict[str, str]


class ParkedRecords:
    """One record of each series at most, by slot.

    Attributes:
        changed: whether anything changed since :meth:`to_bytes`.
    """

    def __init__(self) -> None:
        self.changed = False
        self._by_slot: dict[int, Parked] = {}

    def __len__(self) -> int:
        return len(self._by_slot)

    def keep(self, slot: int, record: Record) -> None:
        """Keep a record in place of the one that the slot may have had."""
        value = record.value
        headers = headers_of_cut(value) if len(value) > KEPT_BYTES else {}
        self._by_slot[slot] = Parked(replace(record, value=value[:KEPT_BYTES]), headers)
        self.changed = True

    def take(self, slot: int) -> Parked:
        """Give a record up; one without a place if there is none."""
        self.changed = True
        return self._by_slot.pop(slot, Parked(Record(None, b"", 0, -1, -1), {}))

    def keep_only(self, slots: Container[int]) -> None:
        """Forget the records of all other slots."""
        self._by_slot = {slot: parked for slot, parked in self._by_slot.items() if slot in slots}
        self.changed = True

    def to_bytes(self) -> bytes:
        """Encode the records for keyed state; empty if there are none."""
        self.changed = False
        rows = [
            [slot, _text(one.record.key), _text(one.record.value), one.record.timestamp, one.record.partition,
             one.record.offset, one.headers, *filter(None, [one.record.topic])]
            for slot, one in self._by_slot.items()
        ]  # fmt: skip
        return json.dumps(rows).encode() if rows else b""

    def restore(self, blob: bytes) -> None:
        """Take back what :meth:`to_bytes` gave."""
        for slot, key, value, timestamp, partition, offset, headers, *topic in json.loads(blob) if blob else []:
            raw = None if key is None else base64.b64decode(key)
            record = Record(raw, base64.b64decode(value), timestamp, partition, offset, *topic)
            self._by_slot[slot] = Parked(record, headers)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()
