"""Check the operator that reads those records of input sources that the JVM leaves to Python."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from eddy.errors import StackError
from eddy.flink_job.operators import reading
from eddy.flink_job.operators.reading import FRAME, RECORDS, ReadingOperator
from eddy.flink_job.wire.frames import CHECKPOINT, DATA, DLQ, END, EVENTS, SOURCES, Frame, read_frame
from eddy.flink_job.wire.parsing import shard_of
from eddy.inputs.mapping import Mapping
from eddy.inputs.record import Record
from tests.eddy.test_schemas import validator
from tests.flink_job.frame_bytes import NOW
from tests.flink_job.test_frames import taken_apart

SOURCE = {"topics": "plant", "series": "{site}", "time": {"field": "at", "unit": "s"}, "values": {"value": "t"}}
AT = NOW // 1000


def operator(*sources: dict[str, Any], cluster: int = 0, subtask: int = 0, subtasks: int = 1) -> ReadingOperator:
    given = [f"input={json.dumps(list(sources) or [SOURCE])}", "job.shards=4"]
    return ReadingOperator(given, cluster, subtask, subtasks)


def unread(
    records: Sequence[tuple[Record, int | None]] = (),
    kind: int = DATA,
    counts: dict[str, list[int]] | None = None,
    now: int = NOW,
    checkpoint: int = 0,
) -> bytes:
    """Encode a frame as ``SourceReader.java`` does."""

    def sized(data: bytes | None) -> bytes:
        return struct.pack("<i", -1) if data is None else struct.pack("<i", len(data)) + data

    def short(text: str) -> bytes:
        return struct.pack("<H", len(text.encode())) + text.encode()

    parts = [struct.pack("<Bqq", kind, now, checkpoint), sized(json.dumps(counts or {}).encode())]
    parts.append(struct.pack("<i", len(records)))
    for one, read in records:
        parts.append(short(one.topic))
        parts.append(struct.pack("<iqqi", one.partition, one.offset, one.timestamp, -1 if read is None else read))
        parts += [sized(one.key), sized(one.value), struct.pack("<H", len(one.headers))]
        parts += [short(name) + sized(value) for name, value in one.headers]
    return b"".join(parts)


def record(value: bytes, offset: int = 7, **more: Any) -> Record:
    return Record("plant", 3, offset, NOW, b"k", value, more.get("headers", ()))


def good(site: str = "north", t: Any = 1.5) -> bytes:
    return json.dumps({"site": site, "at": AT, "t": t}).encode()


def results(found: Sequence[bytes]) -> tuple[list[Frame], list[Any]]:
    """Frames, and records taken apart."""
    assert {one[:1] for one in found} <= {FRAME, RECORDS}
    frames = [read_frame(one[1:]) for one in found if one[:1] == FRAME]
    return frames, [part for one in found if one[:1] == RECORDS for part in taken_apart(one[1:])]


def test_record_that_the_jvm_left_becomes_an_observation_of_its_shard() -> None:
    name = "n\u00f6rd"
    other = next(one for one in map(str, range(100)) if shard_of(one, 4) != shard_of(name, 4))
    both = unread([(record(good(other)), None), (record(good(name), 8), None)])
    frames, _ = results(list(operator().process(both)))
    rows = {
        one.keys[0].decode(): (one.value(0), one.topic(0), int(one.partitions[0]), int(one.offsets[0]), one.shard)
        for one in frames
    }
    assert set(rows) == {other, name}
    value, *place, shard = rows[name]
    assert json.loads(value) == {"series": name, "ts": NOW, "value": 1.5}
    assert place == ["plant", 3, 8]
    assert shard == shard_of(name, 4)
    assert {(one.source, one.sources, one.kind) for one in frames} == {(1, 2, DATA)}


def test_before_a_barrier_every_shard_gets_a_frame_with_its_number() -> None:
    reader = operator(subtask=2, subtasks=3)
    frames, _ = results(list(reader.process(unread([(record(good()), None)], CHECKPOINT, checkpoint=9))))
    assert [(one.shard, one.kind, one.checkpoint, one.source, one.sources) for one in frames] == [
        (shard, CHECKPOINT, 9, 5, 6) for shard in range(4)
    ]
    assert sum(map(len, frames)) == 1
    frames, _ = results(list(reader.process(unread(kind=END))))
    assert [one.kind for one in frames] == [END] * 4


def test_second_cluster_has_its_own_numbers_and_reads_its_own_sources() -> None:
    elsewhere = {**SOURCE, "topics": "far", "kafka": {"bootstrap_servers": "far:1"}}
    reader = operator(SOURCE, elsewhere, cluster=1, subtasks=2)
    far = Record("far", value=good())
    frames, _ = results(list(reader.process(unread([(far, None), (record(good()), None)]))))
    assert [(len(one), one.topic(0), one.source, one.sources) for one in frames] == [(1, "far", 6, 8)]


def test_refused_element_is_a_letter_and_the_others_were_read_already() -> None:
    source = {**SOURCE, "each": "all", "values": {"value": "t"}}
    value = json.dumps({"site": "north", "at": AT, "all": [{"t": 1}, {"t": "x"}, {}]}).encode()
    one = record(value, headers=[("h", b"\xff"), ("none", None)])
    frames, records = results(list(operator(source).process(unread([(one, 1)], counts={"input.0": [1, 1, 0, NOW, 1]}))))
    assert frames == []
    (letter,) = [part for part in records if part[0] == DLQ]
    _, _, key, kept, headers = letter
    assert (key, kept) == (b"k", value)
    validator("dead-letter-headers").validate(headers)
    assert (headers["reason"], headers["topic"], headers["partition"], headers["offset"]) == (
        "bad-value",
        "plant",
        "3",
        "7",
    )
    assert headers["detail"].startswith("all[1]: values.value: found 'x', expected a number or null")
    assert headers["detail"].endswith("(and 1 more of this record)")
    assert json.loads(headers["record-headers"]) == [["h", "ff"], ["none", None]]
    (figures,) = [json.loads(part[3]) for part in records if part[0] == SOURCES]
    validator("source").validate(figures)
    assert figures["dead"] == {"bad-value": 1, "no-field": 1}
    assert (figures["records"], figures["observations"], figures["newest"]) == (1, 1, NOW)


def test_readers_that_disagree_lose_nothing() -> None:
    frames, _ = results(list(operator().process(unread([(record(good()), 0)]))))
    assert [len(one) for one in frames] == [1]


def test_source_that_is_mostly_dead_is_said_once_and_its_letters_are_counted() -> None:
    reader = operator()
    bad = [(record(b"x"), 0)] * 3_000
    seen: list[Any] = []
    for at in range(8):
        counts = {"input.0": [5_000, 2_000, 0, NOW, 1]}
        seen.append(results(list(reader.process(unread(bad, counts=counts, now=NOW + at))))[1])
    written = [sum(part[0] == DLQ for part in one) for one in seen]
    assert written == [3_000, 3_000, 0, 0, 0, 0, 0, 0]
    events = [json.loads(part[3]) for one in seen for part in one if part[0] == EVENTS]
    assert [event["event"] for event in events] == ["source-mostly-dead"]
    validator("event").validate(events[0])
    counts = {"input.0": [10_000, 10_000, 0, NOW, 1]}
    _, records = results(list(reader.process(unread(counts=counts, now=NOW + 9_000))))
    assert [json.loads(part[3])["event"] for part in records if part[0] == EVENTS] == ["source-readable"]
    (figures,) = [json.loads(part[3]) for part in records if part[0] == SOURCES]
    assert (figures["dead"], figures["unwritten"], figures["muted"]) == ({"not-json": 24_000}, 18_000, False)
    _, records = results(list(reader.process(unread(bad[:1], counts={"input.0": [1, 0, 0, NOW, 1]}))))
    assert [part[0] for part in records] == [DLQ]


def test_one_large_frame_is_muted_within() -> None:
    counts = {"input.0": [24_000, 2_000, 0, NOW, 1]}
    _, records = results(list(operator().process(unread([(record(b"x"), 0)] * 22_000, counts=counts))))
    assert sum(part[0] == DLQ for part in records) == 8_000
    (figures,) = [json.loads(part[3]) for part in records if part[0] == SOURCES]
    assert (figures["records"], figures["unwritten"], figures["dead"]) == (24_000, 14_000, {"not-json": 22_000})


def test_service_that_is_away_holds_the_records_back(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, asked = operator(), []
    whole = Mapping.read

    def read(mapping: Mapping, one: Record) -> Any:
        asked.append(one.offset)
        if len(asked) < 3:
            raise StackError("the registry does not answer")
        return whole(mapping, one)

    monkeypatch.setattr(Mapping, "read", read)
    monkeypatch.setattr(reading, "_AGAIN_SECONDS", 0.01)
    frames, records = results(list(reader.process(unread([(record(good(), 5), None), (record(good(), 6), None)]))))
    assert asked == [5, 5, 5, 6]
    assert [one.offsets.tolist() for one in frames] == [[5, 6]]
    assert not [part for part in records if part[0] == DLQ]
    reader._patience = 0
    asked.clear()
    with pytest.raises(StackError, match="the registry does not answer"):
        list(reader.process(unread([(record(good()), None)])))
