"""Say where observations are, and how each topic is read: by ``job.format``, or by the mapping of an input source."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kafka.errors import KafkaError

from eddy.connections import kafka_consumer
from eddy.errors import StackError
from eddy.formats import BadObservation, check_key, find_format
from eddy.input_settings import InputSource
from eddy.inputs.clusters import clusters
from eddy.inputs.mapping import Mapping, MappingResult, Observation
from eddy.inputs.record import Record, from_kafka
from eddy.settings import KafkaSettings, Settings, TopicSettings
from eddy.topic_reader import TopicReader


class Reader(Protocol):
    """Read the observations of a record; a bad record gives refusals, and raises nothing."""

    def read(self, record: Record) -> MappingResult:
        """Return what the record holds."""


class OwnForm:
    """Read records of the observations topic, as ``job.format`` says.

    Raises:
        SettingsError: there is no such format.
    """

    def __init__(self, settings: Settings) -> None:
        self._form = find_format(settings.job.format, settings.job.event_times)

    def read(self, record: Record) -> MappingResult:
        """Return the observation of a record, or why it is none."""
        try:
            series, ts, values = self._form.read(record.value or b"", record.key)
            check_key(series, record.key)
        except BadObservation as problem:
            return MappingResult(refusals=[problem])
        return MappingResult([Observation(series, ts, values)])


@dataclass(frozen=True)
class ObservationTopic:
    """Hold one topic of observations.

    Attributes:
        topic: its name.
        kafka: connection of its cluster.
        reader: of its records.
        name: what describes it: ``input.0`` for a source, empty for the observations topic.
        is_aggregated: the reader gives events, of which observations of intervals are made.
    """

    topic: str
    kafka: KafkaSettings
    reader: Reader
    name: str = ""
    is_aggregated: bool = False

    def records(self) -> Iterator[Record]:
        """Yield all records of the topic as of now, the oldest of each partition first.

        Raises:
            StackError: no broker answers, the topic does not exist, or its end cannot be reached.
        """
        reader = TopicReader.of_topic(self.kafka, self.topic)
        try:
            reader.from_start()
            for found in reader.to_end():
                yield from_kafka(found)
        finally:
            reader.close()


@dataclass(frozen=True)
class _Mapped:
    name: str
    source: InputSource
    kafka: KafkaSettings
    mapping: Mapping


class Readers:
    """Find the topics of observations that some settings name: the observations topic, and those of ``input``.

    The observations topic comes first, and is never read by a source. Of several sources that read a topic of one
    cluster, the first counts. A pattern matches none of Eddy's own topics.

    Raises:
        SettingsError: a source cannot be read, or there is no such ``job.format``.

    Examples:
        >>> settings = Settings(input=[{"pattern": "plant.*", "values": {"t": "temp"}}])
        >>> [one.topic for one in Readers(settings).among(settings.kafka, ["plant.a", "eddy.alerts", "other"])]
        ['plant.a']
    """

    def __init__(self, settings: Settings) -> None:
        self.own = ObservationTopic(settings.topics.name("observations"), settings.kafka, OwnForm(settings))
        self._own_topics = own_topics(settings.topics)
        self._mapped = []
        for cluster in clusters(settings):
            for name, mapping in cluster.mappings(settings).items():
                self._mapped.append(_Mapped(name, cluster.sources[name], cluster.kafka, mapping))

    def clusters(self) -> list[KafkaSettings]:
        """Return the connections of the clusters that sources name, each once."""
        found: list[KafkaSettings] = []
        for one in self._mapped:
            if one.kafka not in found:
                found.append(one.kafka)
        return found

    def among(self, kafka: KafkaSettings, names: Collection[str]) -> list[ObservationTopic]:
        """Return the topics of a cluster that sources read.

        Args:
            kafka: connection of the cluster.
            names: topics that it has; names that a source lists are taken in any case.
        """
        found: dict[str, ObservationTopic] = {}
        for one in self._mapped:
            if one.kafka != kafka:
                continue
            matching = sorted(name for name in names if name not in self._own_topics and one.source.reads(name))
            for topic in one.source.topics or matching:
                if topic != self.own.topic or kafka != self.own.kafka:
                    is_aggregated = one.source.aggregate is not None
                    found.setdefault(topic, ObservationTopic(topic, kafka, one.mapping, one.name, is_aggregated))
        return list(found.values())

    def topics(self) -> list[ObservationTopic]:
        """Return all topics of observations; those of patterns as the clusters have them now.

        Raises:
            StackError: a cluster that a pattern is about does not answer.
        """
        found = [self.own]
        for kafka in self.clusters():
            has_pattern = any(one.source.pattern for one in self._mapped if one.kafka == kafka)
            found += self.among(kafka, topic_names(kafka) if has_pattern else ())
        return found

    def of(self, topic: str) -> list[ObservationTopic]:
        """Return how a topic of ``input`` is read, on each cluster of a source that reads it; empty: no source does."""
        found = [one for kafka in self.clusters() for one in self.among(kafka, [topic])]
        return [one for one in found if one.topic == topic]


def own_topics(topics: TopicSettings) -> frozenset[str]:
    """Return the names of all topics that Eddy writes or reads itself.

    Examples:
        >>> sorted(own_topics(TopicSettings()))[:2], "eddy.models.history" in own_topics(TopicSettings())
        (['eddy.alerts', 'eddy.drift'], True)
    """
    roles = [role for role in TopicSettings.model_fields if role != "prefix"]
    return frozenset([*map(topics.name, roles), topics.name("models") + ".history"])


def topic_names(kafka: KafkaSettings) -> list[str]:
    """Return the names of a cluster's topics, without Kafka's own.

    Raises:
        StackError: no broker answers.
    """
    try:
        consumer: Any = kafka_consumer(kafka, bootstrap_timeout_ms=kafka.request_timeout_ms)
        try:
            return sorted(name for name in consumer.topics() if not name.startswith("__"))
        finally:
            consumer.close()
    except KafkaError as error:
        raise StackError(f"Kafka at {kafka.bootstrap_servers} does not answer: {error}") from None
