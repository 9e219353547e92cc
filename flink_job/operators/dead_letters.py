"""Dead letters: records that cannot be used, as values on their way to the dead-letter topic and the log."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from eddy.flink_job.wire.frames import Frame

log = logging.getLogger(__name__)

EVERY_MS = 60_000
#: bytes of key and value that a dead letter holds in full, since any broker takes so many; of larger records the first
MAX_BYTES, KEPT_BYTES = 512 * 1024, 4096
_LOGGED_CHARACTERS = 200


@dataclass(frozen=True)
class Record:
    """One record of the observations topic as it came, or an observation that was read from one of an input source.

    Attributes:
        key, value: of the record; key None where it had none.
        timestamp: of Kafka, epoch ms.
        partition, offset: place in the topic; -1 where state of an earlier version did not hold it.
        topic: of the input source that it was read from, value and key are an observation then; empty = the
            observations topic, and they are as they came.
    """

    key: bytes | None
    value: bytes
    timestamp: int
    partition: int
    offset: int
    topic: str = ""


@dataclass(frozen=True)
class DeadLetter:
    """A record that cannot be used, and why; ``more``: further headers of its message."""

    record: Record
    reason: str
    detail: str
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def _large(self) -> bool:
        return len(self.record.key or b"") + len(self.record.value) > MAX_BYTES

    @property
    def kept(self) -> tuple[bytes | None, bytes]:
        """Key and value of its message: those of the record, or their beginnings where they are large."""
        key, value = self.record.key, self.record.value
        return (key and key[:KEPT_BYTES], value[:KEPT_BYTES]) if self._large else (key, value)

    def headers(self, topic: str) -> dict[str, str]:
        """Return the headers of its message on the dead-letter topic.

        Args:
            topic: the observations topic. A record of an input source has the ``topic`` of that, and where it was read
                already, ``form: observation``: key and value are that observation, not what stands at its place.
        """
        return {
            "reason": self.reason,
            "detail": self.detail,
            **(headers_of_cut(self.record.value) if self._large else {}),
            **({"form": "observation"} if self.record.topic else {}),
            "topic": self.record.topic or topic,
            "partition": str(self.record.partition),
            "offset": str(self.record.offset),
            "timestamp": str(self.record.timestamp),
            **self.more,
        }


def record_at(frame: Frame, i: int) -> Record:
    """Return one record of a frame."""
    place = int(frame.partitions[i]), int(frame.offsets[i])
    return Record(frame.key(i), frame.value(i), int(frame.timestamps[i]), *place, frame.topic(i))


def headers_of_cut(value: bytes) -> dict[str, str]:
    """Return the headers that tell of the whole value where a dead letter holds its first :data:`KEPT_BYTES`."""
    return {"size": str(len(value)), "sha256": hashlib.sha256(value).hexdigest(), "truncated": "true"}


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
            "series": None if key is None else key[:_LOGGED_CHARACTERS].decode(errors="replace"),
            "topic": dead_letter.record.topic or self._topic,
            "partition": dead_letter.record.partition,
            "offset": dead_letter.record.offset,
            "detail": dead_letter.detail,
        }
        self._logged[dead_letter.reason] = now
        log.warning("dead letter %s", " ".join(f"{name}={json.dumps(value)}" for name, value in fields.items()))
