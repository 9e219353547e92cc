"""Read Kafka's observations of a watched series backwards, a little at a time, from all topics that may hold it."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import KafkaException, TopicPartition

from eddy.dashboard.records import Floats, Ints
from eddy.dashboard.sources.kafka_topics import consumer
from eddy.errors import EddyError
from eddy.formats import BadObservation, Format, check_key
from eddy.inputs.mapping import Observation
from eddy.inputs.readers import ObservationTopic, Readers
from eddy.inputs.record import from_librdkafka
from eddy.settings import KafkaSettings

log = logging.getLogger(__name__)

_CHUNK = 50_000  # messages of one partition between two decisions where to read next
_AT_ONCE = 5_000
_UNKNOWN_MESSAGES = 100_000
_ANSWER_SECONDS = 2.0
_AWAY_SECONDS = 30.0  # until a cluster or topic is tried again that could not be read


class _Place(NamedTuple):
    """Name a partition of a topic on one of the clusters."""

    cluster: int
    topic: str
    partition: int


@dataclass
class _Scan:
    """Track how far one series has been read: ``low``-``end`` of each partition is still to be read, of ``high``."""

    series: str
    key: bytes
    partitions: dict[_Place, list[int]]  # low, end, high
    total: int
    left: int  # messages that may still be read
    hits: set[_Place] = field(default_factory=set)
    read: int = 0

    def tried(self) -> Collection[_Place]:
        """Return the partitions that are worth reading."""
        return self.hits or self.partitions

    def open(self) -> list[_Place]:
        """Return the partitions that are not read to their beginning."""
        return [place for place in self.tried() if self.partitions[place][0] < self.partitions[place][1]]


class History:
    """Read back one series after the other; :meth:`read` does a small part of the work.

    Producers keep a series in one partition of the observations topic, but may choose any hash: try all partitions
    until one has the series. A series of a mapped topic may be in any of its partitions.

    Args:
        readers: of the topics of observations.
        max_messages: messages read back per series.
    """

    def __init__(self, readers: Readers, max_messages: int) -> None:
        self._readers, self._max_messages = readers, max_messages
        own = readers.own.kafka
        self._clusters = [own, *(kafka for kafka in readers.clusters() if kafka != own)]
        self._consumers: dict[int, Any] = {}
        self._topics: dict[tuple[int, str], ObservationTopic] = {}
        self._away: dict[tuple[int, str], float] = {}  # when to try again, monotonic seconds
        self._scans: dict[str, _Scan] = {}
        self._reading: tuple[str, _Place, int] | None = None  # series, partition, next offset of the chunk

    def want(self, series: str, known: bool = True) -> None:
        """Begin to read a series; one that no other source knows is looked for among the newest messages only."""
        if self._max_messages and series not in self._scans:
            most = self._max_messages if known else min(self._max_messages, _UNKNOWN_MESSAGES)
            self._scans[series] = _Scan(series, series.encode("utf-8", "replace"), {}, 0, most)

    def forget(self, series: str) -> None:
        """Stop reading a series that is not watched any more."""
        self._scans.pop(series, None)
        if self._reading and self._reading[0] == series:
            self._reading = None

    def keep_only(self, names: set[str]) -> None:
        """Forget all other series."""
        for series in set(self._scans) - names:
            self.forget(series)

    def progress(self, series: str) -> float:
        """Return the share of a series' history that has been read, 0-1."""
        scan = self._scans.get(series)
        if scan is None or not self._max_messages:
            return 1.0
        if not scan.total:
            return 0.0
        return min(scan.read / scan.total, 0.99) if scan.open() and scan.left > 0 else 1.0

    def read(self, seconds: float) -> dict[str, list[tuple[Ints, tuple[str, ...], Floats]]]:
        """Read for about ``seconds`` at most; return what was found, by series: times, features, values."""
        found: dict[str, list[tuple[int, Mapping[str, float]]]] = {}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._reading is None and not self._next():
                break
            self._some(found)
        return {series: [columns_of(rows)] for series, rows in found.items() if rows}

    def close(self) -> None:
        """Disconnect from the brokers."""
        for one in self._consumers.values():
            one.close()

    def _next(self) -> bool:
        """Choose the next chunk: the newest unread one of the first series that is not done."""
        now = time.monotonic()
        self._away = {place: until for place, until in self._away.items() if until > now}
        for scan in self._scans.values():
            if not scan.total:
                self._measure(scan)
            if scan.left <= 0:
                continue
            places = [place for place in scan.open() if place[:2] not in self._away]
            if places:
                place = min(places, key=lambda one: (scan.partitions[one][2] - scan.partitions[one][1], one))
                low, end, _ = scan.partitions[place]
                start = max(low, end - _CHUNK)
                self._consumers[place.cluster].assign([TopicPartition(place.topic, place.partition, start)])
                self._reading = (scan.series, place, start)
                return True
        return False

    def _measure(self, scan: _Scan) -> None:
        """Find the partitions that may hold a series, as their topics are now."""
        for cluster, kafka in enumerate(self._clusters):
            if (cluster, "") in self._away:
                continue
            try:
                if cluster not in self._consumers:
                    self._consumers[cluster] = consumer(kafka, buffered_kbytes=16_384)
                self._measure_cluster(scan, cluster, kafka)
            except KafkaException as error:
                self._leave(cluster, "", error)
        if self._clusters and (0, "") not in self._away:  # else the scan begins once the job's own cluster answers
            scan.total = max(1, sum(high - low for low, _, high in scan.partitions.values()))

    def _measure_cluster(self, scan: _Scan, cluster: int, kafka: KafkaSettings) -> None:
        one = self._consumers[cluster]
        there = one.list_topics(timeout=_ANSWER_SECONDS).topics
        own = [self._readers.own] if cluster == 0 else []
        for found in [*own, *self._readers.among(kafka, list(there))]:
            self._topics[cluster, found.topic] = found
            for number in there[found.topic].partitions if found.topic in there else ():
                low, high = one.get_watermark_offsets(TopicPartition(found.topic, number), _ANSWER_SECONDS)
                scan.partitions[_Place(cluster, found.topic, number)] = [low, high, high]

    def _leave(self, cluster: int, topic: str, error: Exception) -> None:
        """Leave a cluster or a topic that cannot be read alone for a while: the other sources must not wait for it."""
        log.debug("history: %s", error)
        own = cluster == 0 and not topic
        self._away[cluster, topic] = time.monotonic() + (_ANSWER_SECONDS if own else _AWAY_SECONDS)
        self._reading = None

    def _some(self, found: dict[str, list[tuple[int, Mapping[str, float]]]]) -> None:
        assert self._reading is not None  # noqa: S101  the caller has checked
        series, place, low = self._reading
        scan, topic = self._scans[series], self._topics[place[:2]]
        end = scan.partitions[place][1]
        position = low
        try:
            messages = self._consumers[place.cluster].consume(_AT_ONCE, timeout=0.05)
            for message in messages:
                if message.error() is not None:
                    continue
                position = message.offset() + 1
                if position > end:
                    break
                scan.read += 1
                if topic is self._readers.own and message.key() != scan.key:
                    continue
                rows = [(one.ts, one.values) for one in observations(topic, message) if one.series == series]
                if rows:
                    found.setdefault(series, []).extend(rows)
                    scan.hits |= {place} if topic is self._readers.own else _of_topic(scan, place)
        except (KafkaException, EddyError) as error:
            self._leave(*place[:2], error)
            return
        if position >= end:
            start = max(scan.partitions[place][0], end - _CHUNK)
            scan.left -= end - start
            scan.partitions[place][1] = start
            self._reading = None
            if scan.hits:  # the other partitions need not be read
                open_ones = [scan.partitions[one] for one in scan.open()]
                scan.total = scan.read + sum(until - first for first, until, _ in open_ones)
        elif messages:
            self._reading = (series, place, position)


def _of_topic(scan: _Scan, place: _Place) -> set[_Place]:
    return {one for one in scan.partitions if one[:2] == place[:2]}


def observations(topic: ObservationTopic, message: Any) -> list[Observation]:
    """Return the observations in a message of librdkafka; none of a message that the job refuses, too."""
    if topic.is_aggregated:  # what is made of events is not on the topic
        return []
    return topic.reader.read(from_librdkafka(message)).observations


def observation(form: Format, value: bytes | None, key: bytes | None) -> tuple[int, Mapping[str, float]] | None:
    """Parse an observation's message into time and values; return None for a message that the job refuses, too."""
    try:
        series, ts, values = form.read(value or b"", key)
        check_key(series, key)
    except BadObservation:
        return None
    return ts, values


def columns_of(rows: list[tuple[int, Mapping[str, float]]]) -> tuple[Ints, tuple[str, ...], Floats]:
    """Convert observations to times, names of features, and values of shape (n, features); NaN = missing."""
    features = tuple(dict.fromkeys(name for _, values in rows for name in values))
    ts = np.array([row[0] for row in rows], np.int64)
    data = np.full((len(rows), len(features)), np.nan)
    for k, (_, values) in enumerate(rows):
        for f, name in enumerate(features):
            data[k, f] = values.get(name, np.nan)
    return ts, features, data
