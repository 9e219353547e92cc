"""Hold a record as Kafka delivers it, for readers that know no Kafka client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

NO_TIMESTAMP = -1  # as Kafka has it
RECORD_HEADERS = "record-headers"  # header of a dead letter with those of its record


@dataclass(frozen=True)
class Record:
    """Hold a record with its place.

    Attributes:
        timestamp: that Kafka keeps with it, epoch ms; -1 = none.
        key, value: None where the record has none.

    Examples:
        >>> print(Record("plant", partition=2, offset=7, value=b"{}").place)
        plant[2] offset 7
    """

    topic: str
    partition: int = 0
    offset: int = 0
    timestamp: int = NO_TIMESTAMP
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()

    @property
    def place(self) -> str:
        """Return where the record is, for a log line or a report."""
        return f"{self.topic}[{self.partition}] offset {self.offset}"


def from_kafka(found: Any) -> Record:
    """Return a record of kafka-python."""
    timestamp = NO_TIMESTAMP if found.timestamp is None else int(found.timestamp)
    return Record(
        found.topic, found.partition, found.offset, timestamp, found.key, found.value, tuple(found.headers or ())
    )


def from_librdkafka(found: Any) -> Record:
    """Return a record of confluent-kafka."""
    kind, timestamp = found.timestamp()
    return Record(
        found.topic(), found.partition(), found.offset(), timestamp if kind else NO_TIMESTAMP,
        found.key(), found.value(), tuple(found.headers() or ()),
    )  # fmt: skip


def from_lines(lines: Iterable[bytes], topic: str) -> Iterator[Record]:
    r"""Yield a record for each line that is not blank, without key and timestamp; the offset is its line, from 1 on.

    Examples:
        >>> [(one.offset, one.value) for one in from_lines([b"{}\n", b"\n", b"[]"], "t")]
        [(1, b'{}'), (3, b'[]')]
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Record(topic, offset=number, value=line.strip())


def headers_text(record: Record) -> str:
    """Return the headers of a record as one text; :func:`kept_headers` reads it."""
    return json.dumps([(name, None if value is None else value.hex()) for name, value in record.headers])


def kept_headers(text: str) -> list[tuple[str, bytes | None]]:
    """Return the headers that a text holds; none where it is not what :func:`headers_text` writes.

    Examples:
        >>> kept_headers(headers_text(Record("t", headers=[("h", b"x"), ("none", None)])))
        [('h', b'x'), ('none', None)]
        >>> kept_headers("x"), kept_headers('[["h", 7]]')
        ([], [])
    """
    try:
        return [(str(name), None if value is None else bytes.fromhex(value)) for name, value in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return []
