"""Read the newest records of a topic, of any cluster; nothing is written or committed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kafka import TopicPartition
from pydantic import ValidationError

from eddy.connection_settings import KAFKA_SECRETS
from eddy.errors import SettingsError
from eddy.input_settings import InputSource
from eddy.inputs.record import Record, from_kafka
from eddy.settings import KafkaSettings, Settings
from eddy.topic_reader import TopicReader

_FETCH_BYTES = 4 * 1024 * 1024  # of a part: what lies behind it is fetched in vain


def kafka_of(source: InputSource, kafka: KafkaSettings) -> KafkaSettings:
    """Return the connection of a source: the settings of ``kafka`` with what the source gives in their place.

    Raises:
        SettingsError: they do not fit together, or the password's file cannot be read.
    """
    if not source.kafka:
        return kafka
    given = dict(source.kafka)
    for secret in KAFKA_SECRETS:
        if path := given.get(f"{secret}_file"):
            try:
                given[secret] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"input.kafka.{secret}_file: {path} cannot be read: {error}") from None
    try:
        return KafkaSettings.model_validate({**kafka.model_dump(), **given})
    except ValidationError as error:
        raise SettingsError(f"input.kafka: {error.errors()[0]['msg']}") from None


def newest_records(settings: Settings, topic: str, last: int, source: InputSource | None = None) -> list[Record]:
    """Return the newest records of a topic by timestamp, the oldest of them first.

    Args:
        settings: of the connection.
        topic: any topic.
        last: how many records; as many are read of each partition.
        source: names another cluster.

    Raises:
        StackError: no broker answers, or the topic does not exist.
    """
    kafka = settings.kafka if source is None else kafka_of(source, settings.kafka)
    reader = TopicReader.of_topic(kafka, topic)
    try:
        first = reader.consumer.beginning_offsets(reader.partitions)
        for partition, end in reader.ends().items():
            reader.consumer.seek(partition, max(first[partition], end - last))
        newest: list[tuple[int, int, int, Record]] = []
        for found in reader.to_end():
            record = from_kafka(found)
            place = (record.timestamp, record.partition, record.offset, record)
            (heapq.heappush if len(newest) < last else heapq.heappushpop)(newest, place)
    finally:
        reader.close()
    return [place[-1] for place in sorted(newest, key=lambda place: place[:3])]


def backwards(
    kafka: KafkaSettings, topic: str, sizes: Iterable[int], stopped: Callable[[], bool]
) -> Iterator[list[Record]]:
    """Yield the newest records of a topic, then those before them, and so on: each part in order of its partitions.

    Each partition gives its share of a part, so that all of them go back about equally far.

    Args:
        kafka: connection of the cluster.
        topic: any topic.
        sizes: about how many records each part has.
        stopped: asked while a part is read; True: it is left out, and nothing more is read.

    Raises:
        StackError: no broker answers, or the topic does not exist.
    """
    reader = TopicReader.of_topic(kafka, topic, _FETCH_BYTES)
    try:
        first, ends = reader.consumer.beginning_offsets(reader.partitions), reader.ends()
        left = sum(ends[one] - first[one] for one in ends)
        for size in sizes:
            if not left:
                return
            starts = {one: max(first[one], end - -(-(end - first[one]) * size // left)) for one, end in ends.items()}
            part = _part(reader, starts, ends, stopped)
            if part is None:
                return
            yield part
            left -= sum(end - starts[one] for one, end in ends.items())
            ends = starts
    finally:
        reader.close()


def _part(
    reader: TopicReader,
    starts: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
    stopped: Callable[[], bool],
) -> list[Record] | None:
    for partition, start in starts.items():
        reader.consumer.seek(partition, start)
    waiting = [one for one in starts if starts[one] < ends[one]]
    reader.consumer.pause(*(one for one in starts if one not in waiting))
    reader.consumer.resume(*waiting)
    found: list[Record] = []
    while waiting := [one for one in waiting if reader.consumer.position(one) < ends[one]]:
        if stopped():
            return None
        for partition, records in reader.poll().items():
            found += [from_kafka(one) for one in records if one.offset < ends[partition]]
    return found
