"""Check that frames are read and records are written as the JVM expects."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.flink_job.wire.frames import ALERTS, CHECKPOINT, DLQ, Records, read_frame, read_record
from tests.flink_job.frame_bytes import NOW, frame_bytes

MESSAGES = st.lists(
    st.one_of(
        st.tuples(st.binary(max_size=5), st.binary(max_size=20)),
        st.tuples(st.none(), st.binary(max_size=20), st.binary(max_size=5)),
    ),
    max_size=12,
)


@given(MESSAGES, st.integers(0, 1023), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_frame_is_read_as_written(messages, shard, kind):
    found = read_frame(frame_bytes(messages, shard=shard, kind=kind))
    assert (found.kind, found.shard, found.now, found.source, found.sources) == (kind, shard, NOW, 1, 2)
    assert len(found) == len(messages)
    for i, (key, value, *series) in enumerate(messages):
        assert found.value(i) == value
        assert found.keyless[i] == (key is None)
        assert found.partitions[i] == 3
        assert found.offsets[i] == 100 + i
        assert found.keys[found.codes[i]] == (key if key is not None else series[0])
    assert len(set(found.keys)) == len(found.keys)


def test_frame_without_events_is_empty():
    found = read_frame(frame_bytes([], kind=CHECKPOINT))
    assert len(found) == 0
    assert (found.kind, found.keys, found.values.tolist()) == (CHECKPOINT, [], [])


def test_frame_of_another_version_is_refused():
    with pytest.raises(ValueError, match="the jar and the Python code do not match"):
        read_frame(b"\x02" + frame_bytes([])[1:])


OPTIONAL = st.none() | st.binary(max_size=30)
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(-1, 2**62),
        OPTIONAL,
        OPTIONAL,
        st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
    ),
    max_size=8,
)


def taken_apart(data):
    """Records as the JVM side reads them (Outputs.java)."""
    at, found = 0, []

    def take(form):
        nonlocal at
        (value,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return value

    def sized(form="<i"):
        nonlocal at
        length = take(form)
        if length < 0:
            return None
        at += length
        return data[at - length : at]

    while at < len(data):
        end = take("<i") + at
        role, time, key, value = take("<B"), take("<q"), sized(), sized()
        headers = {sized("<H").decode(): sized().decode() for _ in range(take("<H"))}
        assert at == end
        found.append((role, time, key, value, headers))
    return found


@given(RECORDS)
@settings(max_examples=200, deadline=None)
def test_records_are_read_as_added(records):
    out = Records()
    for record in records:
        out.add(*record)
    frame = out.take()
    assert taken_apart(frame) == records
    assert out.take() == b"", "starts anew"
    if records:
        assert read_record(frame) == records[0][1:4]


def test_tombstone_record_has_no_value():
    out = Records()
    out.add(ALERTS, 5, b"k", None)
    out.add(DLQ, 6, None, b"", {"reason": "empty"})
    frame = out.take()
    assert read_record(frame) == (5, b"k", None)
    assert taken_apart(frame)[1] == (DLQ, 6, None, b"", {"reason": "empty"})
