"""Encode frames as the JVM does, for tests without a JVM."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from eddy.flink_job.wire.frames import DATA, FRAME_VERSION, Frame, read_frame
from eddy.flink_job.wire.parsing import shard_of

#: key (None: the record had none), value, and the series that the JVM found in a value without key
Message = tuple[bytes | None, bytes] | tuple[bytes | None, bytes, bytes]
NOW = 1_735_689_600_000


def frame_bytes(
    messages: Sequence[Message],
    shard: int = 0,
    kind: int = DATA,
    now: int = NOW,
    timestamp: int = NOW,
    offsets: Sequence[int] | None = None,
    source: int = 1,
    sources: int = 2,
    checkpoint: int = 0,
) -> bytes:
    dictionary: dict[bytes, int] = {}
    codes, partitions, ends, values = [], [], [], b""
    for key, value, *found in messages:
        series = key if key is not None else (found[0] if found else b"")
        codes.append(dictionary.setdefault(series, len(dictionary)))
        partitions.append(3 | (1 << 30 if key is None else 0))
        values += value
        ends.append(len(values))
    n = len(messages)
    keys = b"".join(dictionary)
    key_ends = [sum(len(key) for key in list(dictionary)[: k + 1]) for k in range(len(dictionary))]
    return b"".join(
        [
            struct.pack(
                "<BBHiqiiii", FRAME_VERSION, kind, shard, n, now, len(dictionary), source, sources, len(values)
            ),
            struct.pack(f"<{n}q", *(offsets or range(100, 100 + n))),
            struct.pack(f"<{n}q", *[timestamp] * n),
            struct.pack(f"<{n}i", *partitions),
            struct.pack(f"<{n}i", *codes),
            struct.pack(f"<{n}i", *ends),
            struct.pack(f"<{len(key_ends)}i", *key_ends),
            keys,
            values,
            struct.pack("<q", checkpoint) if checkpoint else b"",
        ]
    )


def frame(*messages: Message, **header: Any) -> Frame:
    return read_frame(frame_bytes(messages, **header))


__all__ = ["NOW", "frame", "frame_bytes", "shard_of"]
