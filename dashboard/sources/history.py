"""Read Kafka's observations of a watched series backwards, a little at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import KafkaException, TopicPartition

from eddy.dashboard.records import Floats, Ints
from eddy.dashboard.sources.kafka_topics import consumer
from eddy.formats import BadObservation, Format, check_key
from eddy.settings import KafkaSettings

log = logging.getLogger(__name__)

_CHUNK = 50_000  # messages of one partition between two decisions where to read next
_AT_ONCE = 5_000
_UNKNOWN_MESSAGES = 100_000
_ANSWER_SECONDS = 2.0


@dataclass
class _Scan:
    """Track how far one series has been read: ``low``-``high`` of each partition is still to be read."""

    series: str
    key: bytes
    partitions: dict[int, list[int]]
    total: int
    left: int  # messages that may still be read
    hits: set[int] = field(default_factory=set)
    read: int = 0


class History:
    """Read back one series after the other; :meth:`read` does a small part of the work.

    Producers keep a series in one partition, but may choose any hash: try all partitions until one has the series.

    Args:
        settings: connection.
        topic: of the observations.
        max_messages: messages read back per series.
        form: of the observations, as the job reads them.
    """

    def __init__(self, settings: KafkaSettings, topic: str, max_messages: int, form: Format) -> None:
        self._settings, self._topic, self._max_messages, self._form = settings, topic, max_messages, form
        self._consumer: Any = None
        self._scans: dict[str, _Scan] = {}
        self._reading: tuple[str, int, int] | None = None  # series, partition, end of the chunk

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
        tried = scan.hits or scan.partitions
        waiting = any(low < high for number, (low, high) in scan.partitions.items() if number in tried)
        return min(scan.read / scan.total, 0.99) if waiting and scan.left > 0 else 1.0

    def read(self, seconds: float) -> dict[str, list[tuple[Ints, tuple[str, ...], Floats]]]:
        """Read for about ``seconds`` at most; return what was found, by series: times, features, values."""
        found: dict[str, list[tuple[int, Mapping[str, float]]]] = {}
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                if self._reading is None and not self._next():
                    break
                self._some(found)
        except KafkaException as error:
            log.debug("history: %s", error)
            self._reading = None
        return {series: [columns_of(rows)] for series, rows in found.items() if rows}

    def close(self) -> None:
        """Disconnect from the broker."""
        if self._consumer is not None:
            self._consumer.close()

    def _next(self) -> bool:
        """Choose the next chunk: the newest unread one of the first series that is not done."""
        for scan in self._scans.values():
            if not scan.total:
                self._measure(scan)
            if scan.left <= 0:
                continue
            tried = scan.hits or scan.partitions
            open_ones = [(end, number) for number, (low, end) in scan.partitions.items() if low < end]
            open_ones = [(end, number) for end, number in open_ones if number in tried]
            if open_ones:
                end, number = max(open_ones)
                low = max(scan.partitions[number][0], end - _CHUNK)
                self._consumer.assign([TopicPartition(self._topic, number, low)])
                self._reading = (scan.series, number, low)
                return True
        return False

    def _measure(self, scan: _Scan) -> None:
        if self._consumer is None:
            self._consumer = consumer(self._settings, buffered_kbytes=16_384)
        topics = self._consumer.list_topics(self._topic, timeout=_ANSWER_SECONDS).topics
        for number in topics[self._topic].partitions:
            place = TopicPartition(self._topic, number)
            scan.partitions[number] = list(self._consumer.get_watermark_offsets(place, _ANSWER_SECONDS))
        scan.total = max(1, sum(high - low for low, high in scan.partitions.values()))

    def _some(self, found: dict[str, list[tuple[int, Mapping[str, float]]]]) -> None:
        assert self._reading is not None  # noqa: S101  the caller has checked
        series, number, low = self._reading
        scan = self._scans[series]
        end = scan.partitions[number][1]
        messages = self._consumer.consume(_AT_ONCE, timeout=0.05)
        position = low
        for message in messages:
            if message.error() is not None:
                continue
            position = message.offset() + 1
            if position > end:
                break
            scan.read += 1
            if message.key() == scan.key and (row := observation(self._form, message.value(), scan.key)) is not None:
                found.setdefault(series, []).append(row)
                scan.hits.add(number)
        if position >= end:
            start = max(scan.partitions[number][0], end - _CHUNK)
            scan.left -= end - start
            scan.partitions[number][1] = start
            self._reading = None
            if scan.hits:  # the other partitions need not be read
                scan.total = scan.read + sum(scan.partitions[p][1] - scan.partitions[p][0] for p in scan.hits)
        elif messages:
            self._reading = (series, number, position)


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
