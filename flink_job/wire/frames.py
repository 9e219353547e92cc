"""Decode micro-batches as they enter Python, and encode records as they leave it.

``jvm/src/eddy/flink`` has the other side.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.inputs.record import Record

DATA, TICK, CHECKPOINT, END, FEEDBACK = range(5)
FRAME_VERSION = 1
_HEADER = struct.Struct("<BBHiqiiii")
_CHECKPOINT = struct.Struct("<q")
_KEYLESS = 1 << 30
#: of a frame with events of input sources: a bit of its kind, and where a partition says which topic it is of
_WITH_TOPICS, _TOPIC_BIT = 0x80, 20
_WITH_CLOCKS = 0x40  # a bit of the kind of a frame that ends with the clocks of sources
_CLOCK = struct.Struct("<hqq?")
_PARTITION = (1 << _TOPIC_BIT) - 1
_NO_TOPICS: tuple[str, ...] = ()

#: what a record is, in the order of the topics given to the JVM side
ALERTS, SCORES, DLQ, EVENTS, DRIFT, TRAINING, SHADOW, FIGURES, SOURCES = range(9)
TOPIC_ROLES = ("alerts", "scores", "dlq", "events", "drift", "training", "shadow", "figures", "sources")
#: on the way in, from the models topic: a message as it came; anything else stands in place of one that is too large
MESSAGE = 0
ROLE_AT = 4  # index of the first record's role
#: a record for no topic: a checkpoint barrier follows, operators after this one write their state
MARK = 127


class Clock(NamedTuple):
    """Say how far the event time of one source has come in one subtask.

    Attributes:
        number: N of ``input.N``; -1: the observations topic.
        watermark: event time up to which its events have come, epoch ms; -2^63: none had one yet.
        last: wall clock when its newest record came, epoch ms; -2^63: none has.
        active: whether more is waited for; False: it is idle there, or has ended.
    """

    number: int
    watermark: int
    last: int
    active: bool


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
        topics: names of the topics of input sources that records come from; mostly none.
        topic_codes: (n,) index + 1 in them; 0 = the observations topic. None without such topics.
        clocks: of each source that this subtask reads, in no order. Empty where the settings ask for none.
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
    topics: tuple[str, ...] = ()
    topic_codes: NDArray[np.int32] | None = None
    clocks: tuple[Clock, ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    def topic(self, i: int) -> str:
        """Return the topic of an input source that a record comes from; empty for the observations topic."""
        code = 0 if self.topic_codes is None else int(self.topic_codes[i])
        return self.topics[code - 1] if code else ""

    def cluster(self, clusters: int) -> int:
        """Return the number of the cluster that the records come from, of as many as the settings have: each has the
        same share of the source subtasks.
        """
        return self.source * clusters // self.sources

    def of_topics(self, topics: Collection[str]) -> NDArray[np.int64]:
        """Return the indices of the records that come from some topics of input sources."""
        if self.topic_codes is None:
            return np.empty(0, np.int64)
        chosen = np.array([False, *(topic in topics for topic in self.topics)])
        return np.flatnonzero(chosen[self.topic_codes])

    def streams(self) -> NDArray[np.int32]:
        """Return (n,) a number of each record's topic and partition; of the observations topic it is the partition."""
        if self.topic_codes is None:
            return self.partitions
        numbers = np.array([0, *(stream_number(topic, 0) for topic in self.topics)], np.int32)
        return (numbers[self.topic_codes] ^ self.partitions).astype(np.int32)

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
            topic_codes=None if self.topic_codes is None else self.topic_codes[at],
        )

    def places(self) -> str:
        """Return where the records come from, ``partition[first..last offset]`` each, for a log line; those of input
        sources with their topics.
        """
        codes = np.zeros(len(self), np.int32) if self.topic_codes is None else self.topic_codes
        places = []
        for code, partition in sorted(set(zip(codes.tolist(), self.partitions.tolist(), strict=True))):
            own = self.offsets[(codes == code) & (self.partitions == partition)]
            topic = f"{self.topics[code - 1]}:" if code else ""
            places.append(f"{topic}{partition}[{own.min()}..{own.max()}]")
        return " ".join(places)


def stream_number(topic: str, partition: int) -> int:
    """Return a number of a topic and partition that is the same at any time; without a topic it is the partition."""
    return (zlib.crc32(topic.encode()) & 0x3FFFFFFF | 1 << _TOPIC_BIT) ^ partition if topic else partition


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
    values = take(np.uint8, value_bytes)
    with_topics, with_clocks, kind = kind & _WITH_TOPICS, kind & _WITH_CLOCKS, kind & ~(_WITH_TOPICS | _WITH_CLOCKS)
    checkpoint, topics, codes_of_topics = 0, _NO_TOPICS, None
    if len(data) >= at + _CHECKPOINT.size and (kind == CHECKPOINT or not (with_topics or with_clocks)):
        checkpoint = _CHECKPOINT.unpack_from(data, at)[0]
        at += _CHECKPOINT.size
    keyless = (partitions & _KEYLESS) != 0
    partitions = partitions & ~_KEYLESS
    if with_topics:
        topics, at = _names(data, at)
        partitions, codes_of_topics = partitions & _PARTITION, partitions >> _TOPIC_BIT
    return Frame(
        kind=kind,
        shard=shard,
        now=now,
        source=source,
        sources=sources,
        offsets=offsets,
        timestamps=timestamps,
        partitions=partitions,
        keyless=keyless,
        codes=codes,
        ends=ends,
        keys=[raw[starts[k] : starts[k + 1]] for k in range(keys)],
        key_ends=key_ends,
        key_bytes=key_bytes,
        values=values,
        checkpoint=checkpoint,
        topics=topics,
        topic_codes=codes_of_topics,
        clocks=_clocks(data, at) if with_clocks else (),
    )


def _names(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
    (count,) = struct.unpack_from("<H", data, at)
    at += 2
    names = []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        names.append(data[at + 2 : at + 2 + length].decode("ascii"))
        at += 2 + length
    return tuple(names), at


def _clocks(data: bytes, at: int) -> tuple[Clock, ...]:
    (count,) = struct.unpack_from("<H", data, at)
    return tuple(Clock(*_CLOCK.unpack_from(data, at + 2 + _CLOCK.size * i)) for i in range(count))


class FrameWriter:
    """Gather observations of input sources for one shard, and encode them as the JVM does."""

    def __init__(self) -> None:
        self._keys: dict[bytes, int] = {}
        self._topics: dict[str, int] = {}
        self._rows: list[tuple[int, int, int, int]] = []  # offset, timestamp, partition with topic, key
        self._values: list[bytes] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: Record, series: bytes, value: bytes) -> None:
        """Add an observation in canonical form, with the record that it was read from."""
        code = self._keys.setdefault(series, len(self._keys))
        of_topic = self._topics.setdefault(record.topic, len(self._topics)) + 1
        keyless = _KEYLESS if record.key is None else 0  # so that the records of a series may be on any partition
        place = record.partition | of_topic << _TOPIC_BIT | keyless
        self._rows.append((record.offset, record.timestamp, place, code))
        self._values.append(value)

    def take(
        self,
        kind: int,
        shard: int,
        now: int,
        source: int,
        sources: int,
        checkpoint: int = 0,
        clocks: Sequence[Clock] | None = None,
    ) -> bytes:
        """Return the frame of all observations so far, and start anew; without ``clocks`` nobody asks for them."""
        n, keys = len(self._rows), b"".join(self._keys)
        rows = np.array(self._rows, np.int64).reshape(n, 4)
        ends = np.cumsum([len(value) for value in self._values], dtype=np.int64)
        size = int(ends[-1]) if n else 0
        kind |= (_WITH_TOPICS if self._topics else 0) | (0 if clocks is None else _WITH_CLOCKS)
        parts = [
            _HEADER.pack(FRAME_VERSION, kind, shard, n, now, len(self._keys), source, sources, size),
            rows[:, :2].T.astype("<i8").tobytes(),
            rows[:, 2:].T.astype("<i4").tobytes(),
            ends.astype("<i4").tobytes(),
            np.cumsum([len(key) for key in self._keys], dtype=np.int64).astype("<i4").tobytes(),
            keys,
            *self._values,
            _CHECKPOINT.pack(checkpoint) if checkpoint else b"",
        ]
        if self._topics:
            names = [name.encode("ascii") for name in self._topics]
            parts += [struct.pack("<H", len(names)), *(struct.pack("<H", len(name)) + name for name in names)]
        if clocks is not None:
            parts += [struct.pack("<H", len(clocks)), *(_CLOCK.pack(*clock) for clock in clocks)]
        self._keys, self._topics, self._rows, self._values = {}, {}, [], []
        return b"".join(parts)


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
