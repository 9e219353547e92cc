"""Decode micro-batches as they enter Python, and encode records as they leave it.

``jvm/src/eddy/flink`` has the other side.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA, TICK, CHECKPOINT, END, FEEDBACK = range(5)
FRAME_VERSION = 1
_HEADER = struct.Struct("<BBHiqiiii")
_CHECKPOINT = struct.Struct("<q")
_KEYLESS = 1 << 30

#: what a record is, in the order of the topics given to the JVM side
ALERTS, SCORES, DLQ, EVENTS, DRIFT, TRAINING, SHADOW, FIGURES = range(8)
TOPIC_ROLES = ("alerts", "scores", "dlq", "events", "drift", "training", "shadow", "figures")
#: on the way in, from the models topic: a message as it came; anything else stands in place of one that is too large
MESSAGE = 0
ROLE_AT = 4  # index of the first record's role
#: a record for no topic: a checkpoint barrier follows, operators after this one write their state
MARK = 127


@dataclass(frozen=True)
class Frame:
    """Hold the records of one shard that came in one micro-batch, as they came.

    Attributes:
        kind: DATA, TICK (once a second), CHECKPOINT (a barrier follows), END (the bounded source is at its end) or
            FEEDBACK (the values are feedback messages).
        shard, now: which shard; wall clock when the frame left, epoch ms.
        source, sources: index and number of the source subtasks.
        offsets, timestamps, partitions: (n,) position and Kafka timestamp of each record.
        keyless: (n,) True where the record had no key and its series was read from the value.
        codes: (n,) index into ``keys``.
        ends: (n,) where each value ends in ``values``.
        keys: distinct series ids as bytes; empty where none could be found.
        values: all values, one after another.
        checkpoint: number of the checkpoint whose barrier follows; 0 where the frame does not say.
    """

    kind: int
    shard: int
    now: int
    source: int
    sources: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    partitions: NDArray[np.int32]
    keyless: NDArray[np.bool_]
    codes: NDArray[np.int32]
    ends: NDArray[np.int32]
    keys: list[bytes]
    key_ends: NDArray[np.int32]
    key_bytes: NDArray[np.uint8]
    values: NDArray[np.uint8]
    checkpoint: int = 0

    def __len__(self) -> int:
        return len(self.codes)

    def key(self, i: int) -> bytes | None:
        """Return the message key of one record; None where it had none."""
        return None if self.keyless[i] else self.keys[int(self.codes[i])]

    def value(self, i: int) -> bytes:
        """Return the bytes of one value."""
        return self.values[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])].tobytes()

    def take(self, chosen: Sequence[int]) -> Frame:
        """Return a frame with some of the records; it has all keys."""
        at = np.array(chosen, np.int64)
        values = [self.value(i) for i in chosen]
        return replace(
            self,
            offsets=self.offsets[at],
            timestamps=self.timestamps[at],
            partitions=self.partitions[at],
            keyless=self.keyless[at],
            codes=self.codes[at],
            ends=np.cumsum([len(value) for value in values], dtype=np.int32),
            values=np.frombuffer(b"".join(values), np.uint8),
        )

    def places(self) -> str:
        """Return where the records come from, ``partition[first..last offset]`` each, for a log line."""
        return " ".join(
            f"{partition}[{own.min()}..{own.max()}]"
            for partition in np.unique(self.partitions).tolist()
            for own in (self.offsets[self.partitions == partition],)
        )


def read_frame(data: bytes) -> Frame:
    """Decode a frame; the arrays are views of its bytes."""
    version, kind, shard, n, now, keys, source, sources, value_bytes = _HEADER.unpack_from(data)
    if version != FRAME_VERSION:
        raise ValueError(f"frame version {version}, expected {FRAME_VERSION}: the jar and the Python code do not match")
    at = _HEADER.size

    def take(dtype: Any, count: int) -> NDArray[Any]:
        nonlocal at
        array = np.frombuffer(data, dtype, count, at)
        at += array.nbytes
        return array

    offsets, timestamps = take("<i8", n), take("<i8", n)
    partitions, codes, ends, key_ends = take("<i4", n), take("<i4", n), take("<i4", n), take("<i4", keys)
    key_bytes = take(np.uint8, int(key_ends[-1]) if keys else 0)
    starts = [0, *key_ends.tolist()]
    raw = key_bytes.tobytes()
    return Frame(
        kind=kind,
        shard=shard,
        now=now,
        source=source,
        sources=sources,
        offsets=offsets,
        timestamps=timestamps,
        partitions=partitions & ~_KEYLESS,
        keyless=(partitions & _KEYLESS) != 0,
        codes=codes,
        ends=ends,
        keys=[raw[starts[k] : starts[k + 1]] for k in range(keys)],
        key_ends=key_ends,
        key_bytes=key_bytes,
        values=take(np.uint8, value_bytes),
        checkpoint=_CHECKPOINT.unpack_from(data, at)[0] if len(data) >= at + _CHECKPOINT.size else 0,
    )


class Records:
    """Gather records on their way to Kafka while a micro-batch is handled."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(
        self, role: int, time: int, key: bytes | None, value: bytes | None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Add a record for the topic of a role, with its Kafka timestamp in epoch ms."""
        body = [
            struct.pack("<Bq", role, time),
            _sized(key),
            _sized(value),
            struct.pack("<H", len(headers or {})),
        ]
        for name, text in (headers or {}).items():
            raw = name.encode()
            body += [struct.pack("<H", len(raw)), raw, _sized(text.encode())]
        record = b"".join(body)
        self._parts += [struct.pack("<i", len(record)), record]

    def take(self) -> bytes:
        """Return the frame of all records so far (empty: none), and start anew."""
        frame = b"".join(self._parts)
        self._parts.clear()
        return frame


def read_record(data: bytes) -> tuple[int, bytes | None, bytes | None]:
    """Return the first record of a frame without its headers: (time, key, value)."""
    time: int = struct.unpack_from("<q", data, 5)[0]
    key, at = _unsized(data, 13)
    value, _ = _unsized(data, at)
    return time, key, value


def read_records(data: bytes) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Yield the records of a frame without their headers: (role, time, key, value)."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<i", data, at)
        role, time = struct.unpack_from("<Bq", data, at + 4)
        key, after = _unsized(data, at + 13)
        value, _ = _unsized(data, after)
        yield role, time, key, value
        at += 4 + length


def _sized(data: bytes | None) -> bytes:
    return struct.pack("<i", -1) if data is None else struct.pack("<i", len(data)) + data


def _unsized(data: bytes, at: int) -> tuple[bytes | None, int]:
    length: int = struct.unpack_from("<i", data, at)[0]
    at += 4
    return (None, at) if length < 0 else (data[at : at + length], at + length)
