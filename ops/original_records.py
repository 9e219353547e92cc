"""Read an observation again at its place in the topic: a dead letter of a large one holds only its beginning."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition

from eddy.errors import NoTopicError
from eddy.settings import KafkaSettings
from eddy.topic_reader import TopicReader

_READ_SECONDS = 30
_FETCH_BYTES = 1024 * 1024  # one record is wanted; a larger one comes alone


class OriginalRecords:
    """Read records of one topic by partition and offset; connects when the first one is asked for.

    Args:
        kafka: connection of the topic's cluster.
        topic: its name.
    """

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._kafka, self._topic = kafka, topic
        self._reader: TopicReader | None = None

    def find(self, headers: Mapping[str, str], value: bytes | None = None) -> Any | None:
        """Return the record that a dead letter's headers name; None if the topic does not hold it any more.

        Args:
            headers: ``partition``, ``offset`` and ``sha256`` of a dead letter. A record with another digest is not the
                one: the topic was made anew meanwhile.
            value: of the record, where the dead letter holds all of it: it stands in for the digest.

        Raises:
            StackError: no broker answers.
        """
        place = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,18})", f"{headers.get('partition')}:{headers.get('offset')}")
        if place is None:
            return None
        if self._reader is None:
            try:
                self._reader = TopicReader.of_topic(self._kafka, self._topic, _FETCH_BYTES)
            except NoTopicError:
                return None
        consumer = self._reader.consumer
        partition = TopicPartition(self._topic, int(place[1]))
        offset = int(place[2])
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
                same = digest == headers.get("sha256") if value is None else (record.value or b"") == value
                return record if record.offset == offset and same else None
        return None

    def close(self) -> None:
        """Leave the broker."""
        if self._reader is not None:
            self._reader.close()
