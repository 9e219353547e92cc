"""Read a whole Kafka topic, or follow it: the plain loops that several parts need."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError
from typing_extensions import Self  # in 'typing' only since Python 3.11, and the client runs on older ones

from eddy.connections import kafka_consumer
from eddy.errors import NoTopicError, StackError
from eddy.settings import KafkaSettings, Settings

_POLL_MS = 500
_STUCK_SECONDS = 60.0  # without a record although the end is not reached


class TopicReader:
    """Read one topic, all partitions. Positions stay with the caller: nothing is committed by itself.

    Args:
        settings: connection and topic names.
        role: of the topic, such as ``"alerts"``.
        group: consumer group whose committed offsets :attr:`consumer` can read and write.
        suffix: of a topic that stands beside the one of ``role``.

    Raises:
        StackError: no broker answers, or the topic does not exist.
    """

    def __init__(self, settings: Settings, role: str, group: str | None = None, suffix: str = "") -> None:
        self._open(settings.kafka, settings.topics.name(role) + suffix, group, "; 'eddy up' creates it")

    @classmethod
    def of_topic(cls, kafka: KafkaSettings, topic: str, fetch_bytes: int = 0) -> Self:
        """Return a reader of any topic of any cluster: those that other programs write.

        Args:
            kafka: connection of the cluster.
            topic: its name.
            fetch_bytes: about how much to fetch at once, for who reads only a part; 0 = as much as clients may.

        Raises:
            StackError: no broker answers, or the topic does not exist; then it names similar ones that do.
        """
        reader = cls.__new__(cls)
        reader._open(kafka, topic)
        return reader

    def _open(
        self, kafka: KafkaSettings, topic: str, group: str | None = None, advice: str = "", fetch_bytes: int = 0
    ) -> None:
        self.topic = topic
        self._where = kafka.bootstrap_servers
        largest = fetch_bytes or kafka.max_message_bytes  # a larger record comes alone
        try:
            self.consumer: Any = kafka_consumer(
                kafka,
                bootstrap_timeout_ms=kafka.request_timeout_ms,
                group_id=group,
                max_partition_fetch_bytes=largest,
                fetch_max_bytes=largest,
            )
        except KafkaError as error:
            raise self._failed(error) from None
        try:
            found = self.consumer.partitions_for_topic(topic)
            near = [] if found or advice else difflib.get_close_matches(topic, self.consumer.topics(), cutoff=0.5)
        except KafkaError as error:
            self.consumer.close()
            raise self._failed(error) from None
        if not found:
            self.consumer.close()
            advice = advice or (f"; did you mean {' or '.join(near)}?" if near else "")
            raise NoTopicError(f"topic {topic} does not exist at {self._where}{advice}")
        self.partitions = [TopicPartition(topic, number) for number in sorted(found)]
        self.consumer.assign(self.partitions)

    def _failed(self, error: KafkaError) -> StackError:
        return StackError(f"Kafka at {self._where} does not answer: {error}; 'eddy status' shows whether it runs")

    def close(self) -> None:
        """Disconnect from the broker; offsets are not committed."""
        self.consumer.close()

    def ends(self) -> dict[TopicPartition, int]:
        """Return the offset after the last record of each partition, as of now."""
        ends: dict[TopicPartition, int] = self.consumer.end_offsets(self.partitions)
        return ends

    def to_end(self) -> Iterator[Any]:
        """Yield records from the current positions to the end of the topic as it is now.

        Raises:
            StackError: the broker went away.
        """
        ends = self.ends()
        last = time.monotonic()
        while waiting := self.short_of(ends):
            for partition, records in self.poll().items():
                last = time.monotonic()
                yield from (record for record in records if record.offset < ends[partition])
            if time.monotonic() - last > _STUCK_SECONDS:
                raise StackError(f"topic {self.topic}: {waiting[0]} gave nothing for {_STUCK_SECONDS:.0f} s")

    def short_of(self, ends: dict[TopicPartition, int]) -> list[TopicPartition]:
        """Return partitions not polled up to these offsets yet: an empty poll does not prove that a partition is."""
        return [partition for partition, end in ends.items() if self.consumer.position(partition) < end]

    def from_start(self) -> None:
        """Go to the oldest records."""
        self.consumer.seek_to_beginning(*self.partitions)

    def from_time(self, ms: int) -> None:
        """Go to the oldest records of a time (epoch ms) or later; past the newest where there are none."""
        found = self.consumer.offsets_for_times(dict.fromkeys(self.partitions, max(ms, 0)))
        ends = self.ends()
        for partition in self.partitions:
            place = found.get(partition)
            self.consumer.seek(partition, place.offset if place is not None else ends[partition])

    def from_end(self) -> None:
        """Go past the newest records."""
        ends = self.ends()  # not seek_to_end, which reads the end only at the next poll: records would be missed
        for partition in self.partitions:
            self.consumer.seek(partition, ends[partition])

    def poll(self, wait_ms: int = _POLL_MS) -> dict[TopicPartition, list[Any]]:
        """Return records that have arrived, after ``wait_ms`` at most."""
        try:
            found: dict[TopicPartition, list[Any]] = self.consumer.poll(timeout_ms=wait_ms)
        except KafkaError as error:
            raise self._failed(error) from None
        return found


def whole_topic(settings: Settings, role: str, suffix: str = "") -> Iterator[Any]:
    """Yield all records of a topic as of now, the oldest of each partition first.

    Raises:
        StackError: no broker answers, the topic does not exist, or its end cannot be reached.
    """
    reader = TopicReader(settings, role, suffix=suffix)
    try:
        reader.from_start()
        yield from reader.to_end()
    finally:
        reader.close()


def newest_by_key(settings: Settings, role: str, suffix: str = "") -> dict[bytes, bytes]:
    """Return the present content of a compacted topic: the newest message of each key, without those that were deleted.

    Raises:
        StackError: no broker answers, the topic does not exist, or its end cannot be reached.
    """
    newest = {record.key or b"": record.value for record in whole_topic(settings, role, suffix)}
    return {key: value for key, value in newest.items() if value is not None}
