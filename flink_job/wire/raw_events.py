"""Encode and decode the events of aggregated sources, whose observations the shard makes.

Where a frame has the JSON of an observation, of an event it has, little-endian: i64 event time, epoch ms, then an f64
for each column of the source's aggregation, NaN where it contributes nothing. ``jvm/…/EventColumns.java`` writes the
same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from eddy.flink_job.wire.frames import Frame
from eddy.models.core.detector import Floats, Ints

_NUMBER_BYTES = 8


def raw_bytes(ts: int, numbers: Iterable[float]) -> bytes:
    """Encode one event.

    Examples:
        >>> raw_bytes(1, [0.5]).hex()
        '0100000000000000000000000000e03f'
    """
    every = tuple(numbers)
    return struct.pack(f"<q{len(every)}d", ts, *every)


def read_raw(frame: Frame, at: Ints, columns: int) -> tuple[Ints, Ints, Floats]:
    """Decode events of one source.

    Args:
        frame: with the events.
        at: (n,) ascending indices of the events in the frame, as
            :meth:`~eddy.flink_job.wire.frames.Frame.of_topics` gives them.
        columns: number of columns of the source's aggregation.

    Returns:
        (n,) index of each event's series in ``frame.keys``, (n,) event times in epoch ms, and (n, columns) numbers.

    Raises:
        ValueError: an event has another number of columns: the settings of JVM and Python do not match.
    """
    every = np.diff(frame.ends, prepend=np.int32(0))
    lengths = every[at]
    size = _NUMBER_BYTES * (1 + columns)
    if (lengths != size).any():
        found = int(lengths[lengths != size][0])
        message = f"an event of {found} bytes, expected {size} for {columns} columns: JVM and Python differ"
        raise ValueError(message)
    data = frame.values
    if len(at) < len(frame):
        chosen = np.zeros(len(frame), np.bool_)
        chosen[at] = True
        data = data[np.repeat(chosen, every)]
    rows = np.frombuffer(data.tobytes(), np.dtype([("ts", "<i8"), ("numbers", "<f8", (columns,))]))
    return frame.codes[at].astype(np.int64), rows["ts"].copy(), rows["numbers"].copy()
