"""Read an observation again at its place in the topic: a dead letter of a large one holds only its beginning."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition

from eddy.settings import Settings
from eddy.topic_reader import TopicReader

_READ_SECONDS = 30


class OriginalRecords:
    """Read records of the observations topic by partition and offset; connects when the first one is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader: TopicReader | None = None

    def find(self, headers: Mapping[str, str]) -> Any | None:
        """Return the record that a dead letter's headers name; None if the topic does not hold it any more.

        Args:
            headers: ``partition``, ``offset`` and ``sha256`` of a dead letter. A record with another digest is not the
                one: the topic was made anew meanwhile.
        """
        if self._reader is None:
            self._reader = TopicReader(self._settings, "observations")
        consumer = self._reader.consumer
        partition = TopicPartition(self._reader.topic, int(headers["partition"]))
        offset = int(headers["offset"])
        if partition not in self._reader.partitions:
            return None
        first, end = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
        if not first <= offset < end:
            return None
        consumer.assign([partition])
        consumer.seek(partition, offset)
        deadline = time.monotonic() + _READ_SECONDS
        while time.monotonic() < deadline:
            for record in self._reader.poll().get(partition, ()):
                digest = hashlib.sha256(record.value or b"").hexdigest()
                return record if record.offset == offset and digest == headers.get("sha256") else None
        return None

    def close(self) -> None:
        """Leave the broker."""
        if self._reader is not None:
            self._reader.close()
