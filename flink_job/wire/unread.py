"""Decode the records of input sources that the JVM leaves to Python; ``jvm/…/SourceReader.java`` has the other side."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from eddy.inputs.record import Record

_HEADER = struct.Struct("<Bqqi")
_PLACE = struct.Struct("<iqqi")


class SourceCounts(NamedTuple):
    """Hold what the JVM has read of a source since its last frame; ``series``: different ones since it started."""

    records: int
    observations: int
    skipped: int
    newest: int  # timestamp of a record, epoch ms
    series: int


@dataclass(frozen=True)
class UnreadFrame:
    """Hold records of input sources.

    Attributes:
        kind, now, checkpoint: as of :class:`~eddy.flink_job.wire.frames.Frame`.
        counts: by name of the source.
        records: each with the number of its observations that were read already; None where Python reads it as a whole.
    """

    kind: int
    now: int
    checkpoint: int
    counts: dict[str, SourceCounts]
    records: list[tuple[Record, int | None]]


def read_unread(data: bytes) -> UnreadFrame:
    """Decode a frame of the JVM."""
    kind, now, checkpoint, length = _HEADER.unpack_from(data)
    at = _HEADER.size
    counts = {name: SourceCounts(*found) for name, found in json.loads(data[at : at + length]).items()}
    return UnreadFrame(kind, now, checkpoint, counts, list(_records(data, at + length)))


def _records(data: bytes, at: int) -> Iterator[tuple[Record, int | None]]:
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        topic, at = _text(data, at)
        partition, offset, timestamp, read = _PLACE.unpack_from(data, at)
        key, at = _bytes(data, at + _PLACE.size)
        value, at = _bytes(data, at)
        (number,) = struct.unpack_from("<H", data, at)
        at += 2
        headers = []
        for _ in range(number):
            name, at = _text(data, at)
            content, at = _bytes(data, at)
            headers.append((name, content))
        yield Record(topic, partition, offset, timestamp, key, value, headers), None if read < 0 else read


def _text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<H", data, at)
    at += 2
    return data[at : at + length].decode(errors="replace"), at + length


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    (length,) = struct.unpack_from("<i", data, at)
    at += 4
    return (None, at) if length < 0 else (data[at : at + length], at + length)
