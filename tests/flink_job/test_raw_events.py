"""Check that events of aggregated sources are read as written."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.flink_job.wire.frames import CHECKPOINT, DATA, END, Clock, FrameWriter, read_frame
from eddy.flink_job.wire.parsing import series_names
from eddy.flink_job.wire.raw_events import raw_bytes, read_raw
from eddy.inputs.record import Record

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "plain"]),
        st.sampled_from(["pump", "t\u00fcv", "x"]),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.floats(),
    ),
    max_size=20,
)
CLOCKS = st.none() | st.lists(
    st.builds(
        Clock, st.integers(-1, 2**15 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**62), st.booleans()
    ),
    max_size=4,
)


@given(ROWS, st.integers(0, 2), st.sampled_from([DATA, CHECKPOINT, END]), CLOCKS)
@settings(max_examples=300, deadline=None)
def test_events_and_clocks_are_read_as_written(rows, columns, kind, clocks):
    writer = FrameWriter()
    for offset, (topic, series, ts, *numbers) in enumerate(rows):
        value = b'{"value": 1}' if topic == "plain" else raw_bytes(ts, numbers[:columns])
        writer.add(Record(topic, 3, offset, 0, None), series.encode(), value)
    checkpoint = 7 if kind == CHECKPOINT else 0
    frame = read_frame(writer.take(kind, 1, 2, 3, 4, checkpoint, clocks))
    assert (frame.kind, frame.shard, frame.checkpoint, len(frame)) == (kind, 1, checkpoint, len(rows))
    assert frame.clocks == tuple(clocks or ())
    at = frame.of_topics({"a", "b"})
    assert at.tolist() == [i for i, row in enumerate(rows) if row[0] != "plain"]
    codes, times, found = read_raw(frame, at, columns)
    names = series_names(frame)
    assert found.shape == (len(at), columns)
    expected = [row for row in rows if row[0] != "plain"]
    assert [(names[code], t) for code, t in zip(codes, times, strict=True)] == [row[1:3] for row in expected]
    wanted = np.array([row[3 : 3 + columns] for row in expected], float).reshape(found.shape)
    assert np.array_equal(found, wanted, equal_nan=True)


def test_event_with_other_columns_is_refused():
    writer = FrameWriter()
    writer.add(Record("a"), b"s", raw_bytes(1, [math.nan]))
    frame = read_frame(writer.take(DATA, 0, 0, 0, 1))
    with pytest.raises(ValueError, match="an event of 16 bytes, expected 24 for 2 columns"):
        read_raw(frame, frame.of_topics({"a"}), 2)


def test_number_of_the_source_subtask_tells_the_cluster():
    def cluster(source: int, sources: int) -> int:
        return read_frame(FrameWriter().take(DATA, 0, 0, source, sources)).cluster(3)

    subtasks = 4  # of three clusters, each with frames of the JVM and of Python
    assert [cluster(source, 6 * subtasks) for source in (0, 3, 7, 8, 15, 16, 23)] == [0, 0, 0, 1, 1, 2, 2]
