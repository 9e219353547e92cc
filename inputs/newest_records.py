"""Read the newest records of a topic, from the cluster that an input source names; nothing is written or committed."""

from __future__ import annotations

import heapq
from pathlib import Path

from pydantic import ValidationError

from eddy.errors import SettingsError
from eddy.input_settings import InputSource
from eddy.inputs.record import Record, from_kafka
from eddy.settings import KafkaSettings, Settings
from eddy.topic_reader import TopicReader


def kafka_of(source: InputSource, kafka: KafkaSettings) -> KafkaSettings:
    """Return the connection of a source: the settings of ``kafka`` with what the source gives in their place.

    Raises:
        SettingsError: they do not fit together, or the password's file cannot be read.
    """
    if not source.kafka:
        return kafka
    given = dict(source.kafka)
    if path := given.get("sasl_password_file"):
        try:
            given["sasl_password"] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"input.kafka.sasl_password_file: {path} cannot be read: {error}") from None
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
    topics = settings.topics.model_copy(update={"observations": topic})
    reader = TopicReader(settings.model_copy(update={"kafka": kafka, "topics": topics}), "observations")
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
