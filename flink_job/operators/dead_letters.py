"""Dead letters: records that cannot be used, as values on their way to the dead-letter topic and the log."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from eddy.flink_job.wire.frames import Frame

log = logging.getLogger(__name__)

EVERY_MS = 60_000


@dataclass(frozen=True)
class Record:
    """One record of the observations topic as it came.

    Attributes:
        key, value: of the record; key None where it had none.
        timestamp: of Kafka, epoch ms.
        partition, offset: place in the topic; -1 where state of an earlier version did not hold it.
    """

    key: bytes | None
    value: bytes
    timestamp: int
    partition: int
    offset: int


@dataclass(frozen=True)
class DeadLetter:
    """A record that cannot be used, and why; ``more``: further headers of its message."""

    record: Record
    reason: str
    detail: str
    more: Mapping[str, str] = field(default_factory=dict)

    def headers(self, topic: str) -> dict[str, str]:
        """Return the headers of its message on the dead-letter topic; ``topic`` is where the record came from."""
        return {
            "reason": self.reason,
            "detail": self.detail,
            "topic": topic,
            "partition": str(self.record.partition),
            "offset": str(self.record.offset),
            "timestamp": str(self.record.timestamp),
            **self.more,
        }


def record_at(frame: Frame, i: int) -> Record:
    """Return one record of a frame."""
    place = int(frame.partitions[i]), int(frame.offsets[i])
    return Record(frame.key(i), frame.value(i), int(frame.timestamps[i]), *place)


class DeadLetterLog:
    """Log the first dead letter of a reason, and after a minute the next with the number of those between.

    Args:
        topic: of the records.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._since: Counter[str] = Counter()
        self._logged: dict[str, int] = {}

    def note(self, now: int, dead_letter: DeadLetter) -> None:
        """Count a dead letter. What comes from outside is quoted as JSON: it cannot make a line of its own."""
        self._since[dead_letter.reason] += 1
        if now - self._logged.get(dead_letter.reason, -EVERY_MS) < EVERY_MS:
            return
        key = dead_letter.record.key
        fields = {
            "reason": dead_letter.reason,
            "count": self._since.pop(dead_letter.reason),
            "series": None if key is None else key.decode(errors="replace"),
            "topic": self._topic,
            "partition": dead_letter.record.partition,
            "offset": dead_letter.record.offset,
            "detail": dead_letter.detail,
        }
        self._logged[dead_letter.reason] = now
        log.warning("dead letter %s", " ".join(f"{name}={json.dumps(value)}" for name, value in fields.items()))
