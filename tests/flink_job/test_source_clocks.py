"""Check how far the event time of sources has come that Python reads, and that shards hear of it."""

from __future__ import annotations

import json
from typing import Any

from eddy.flink_job.operators.source_clocks import HOLD_MS, IDLE_MS, NONE, SourceClocks, wants_clocks
from eddy.flink_job.wire.frames import CHECKPOINT, Clock, Frame
from eddy.flink_job.wire.raw_events import read_raw
from eddy.inputs.mapping import Observation
from eddy.inputs.record import Record
from eddy.settings import Settings
from tests.flink_job.frame_bytes import NOW
from tests.flink_job.test_reading import operator, results, unread

RULE = {"every": "1m", "values": {"ms": "sum of ms", "n": "count of x"}}
SLOW = {"topics": "plant", "format": "csv", "time": {"field": "at", "unit": "s"}, "aggregate": RULE}
FAST = {**SLOW, "topics": "web", "format": "json"}


def note(clocks: SourceClocks, now: int, partition: int, *times: int, topic: str = "t", stamp: int = -1) -> None:
    at(clocks, now)
    record = Record(topic, partition, timestamp=stamp)
    clocks.read(2, record, [Observation("s", ts, {}) for ts in times], now)


def made(max_ahead_ms: int = 0) -> SourceClocks:
    """Clocks of a source that is idle after 8 s, begun at 0."""
    clocks = SourceClocks(max_ahead_ms, {2: 8_000})
    assert clocks.at(0) == ((2, NONE, NONE, True),)
    return clocks


def at(clocks: SourceClocks, now: int) -> Clock:
    """Look at the clocks every second until then, as a reader does that nothing holds up."""
    looked = clocks._polled or 0
    for between in range(looked, now, 1_000):
        clocks.at(between)
    (found,) = clocks.at(now)
    assert found.number == 2
    return found


def watermark(clocks: SourceClocks, now: int) -> int:
    return at(clocks, now).watermark


def test_least_partition_counts_once_all_have_had_the_time_to_come():
    clocks = made()
    note(clocks, 0, 0, 50, 70, 60)
    assert clocks.at(0) == ((2, NONE, 0, True),)
    note(clocks, 100, 1, 30)
    note(clocks, 100, 1, 20, topic="u")
    assert watermark(clocks, HOLD_MS - 1) == NONE
    assert watermark(clocks, HOLD_MS) == 20
    note(clocks, HOLD_MS, 1, 90, topic="u")
    assert clocks.at(HOLD_MS) == ((2, 30, HOLD_MS, True),)


def test_idle_partition_holds_nothing_back_and_a_watermark_never_goes_down():
    clocks = made()
    note(clocks, 0, 0, 20)
    note(clocks, IDLE_MS, 1, 70)
    note(clocks, IDLE_MS, 2)
    assert watermark(clocks, IDLE_MS) == 20
    assert watermark(clocks, IDLE_MS + 1) == 70
    note(clocks, IDLE_MS + 2, 0, 30)
    assert watermark(clocks, IDLE_MS + 2) == 70
    note(clocks, IDLE_MS + 3, 0, 80)
    assert watermark(clocks, IDLE_MS + 3) == 70
    assert watermark(clocks, 3 * IDLE_MS) == 80


def test_at_the_end_nothing_is_waited_for():
    clocks = made()
    note(clocks, 0, 0, 20)
    note(clocks, 0, 1, 70)
    clocks.end()
    assert clocks.at(0) == ((2, 70, 0, False),)


def test_source_is_idle_after_its_time_without_a_record():
    clocks = made()
    note(clocks, 2_000, 0, 20)
    assert [at(clocks, now).active for now in (9_999, 10_000)] == [True, False]
    note(clocks, 10_001, 0)
    assert at(clocks, 10_001) == (2, 20, 10_001, True)


def test_reader_that_is_held_up_makes_nothing_idle():
    clocks = made()
    note(clocks, 0, 0, 20)
    note(clocks, 0, 1, 70)
    assert clocks.at(600_000) == ((2, NONE, 0, True),)
    assert clocks.at(1_200_000) == ((2, NONE, 0, True),)
    assert clocks.at(1_800_000) == ((2, 20, 0, True),)
    assert clocks.at(2_400_000) == ((2, 20, 0, False),)


def test_times_far_ahead_of_the_record_do_not_count():
    clocks = made(1_000)
    note(clocks, 0, 0, 6_001, 100, stamp=5_000)
    assert watermark(clocks, HOLD_MS) == 100
    note(clocks, HOLD_MS, 0, 6_000, stamp=5_000)
    assert watermark(clocks, HOLD_MS) == 6_000
    note(clocks, HOLD_MS, 0, 90_000)
    assert watermark(clocks, HOLD_MS) == 90_000


def test_clocks_are_asked_for_by_sources_with_aggregate():
    assert not wants_clocks(Settings(input=[{"topics": "t"}]))
    assert wants_clocks(Settings(input=[{"topics": "t"}, FAST]))


def event(second: int, ms: Any = 5, topic: str = "plant", offset: int = 7) -> tuple[Record, None]:
    value = f"series,at,ms\ns,{NOW // 1000 + second},{ms}".encode()
    return Record(topic, 3, offset, NOW, None, value), None


def sent(frames: list[Frame], number: int = 0) -> dict[int, list[tuple[int, int]]]:
    """Return watermarks and wall clocks by shard."""
    found: dict[int, list[tuple[int, int]]] = {}
    for frame in frames:
        found.setdefault(frame.shard, []).extend((w, last) for n, w, last, _ in frame.clocks if n == number)
    return found


def test_shards_without_events_hear_of_clocks_at_most_once_a_second():
    reader = operator(SLOW)
    frames, _ = results(list(reader.process(unread([event(1)], now=NOW))))
    assert sorted(sent(frames)) == [0, 1, 2, 3]
    assert set(map(tuple, sent(frames).values())) == {((NONE, NOW),)}
    frames, _ = results(list(reader.process(unread([event(2)], now=NOW + 999))))
    (frame,) = frames
    assert frame.clocks == ((0, NONE, NOW + 999, True),)
    codes, ts, numbers = read_raw(frame, frame.of_topics({"plant"}), 2)
    assert (codes.tolist(), ts.tolist(), numbers[0, 0]) == ([0], [NOW + 2_000], 5.0)
    assert numbers[0, 1] != numbers[0, 1]
    for ms in range(2_000, HOLD_MS + 1, 1_000):
        frames, _ = results(list(reader.process(unread(now=NOW + ms))))
    assert set(map(tuple, sent(frames).values())) == {((NOW + 2_000, NOW + 999),)}
    assert len(frames) == 4
    assert results(list(reader.process(unread(now=NOW + 6_000))))[0] == [], "nothing has changed"
    frames, _ = results(list(reader.process(unread(kind=CHECKPOINT, checkpoint=8, now=NOW + 6_001))))
    assert [(frame.checkpoint, frame.clocks) for frame in frames] == [(8, ((0, NOW + 2_000, NOW + 999, True),))] * 4
    frames = []
    for ms in range(7_000, 12_000, 1_000):
        frames += results(list(reader.process(unread(now=NOW + ms))))[0]
    assert [frame.clocks[0].active for frame in frames] == [False] * 4, "each hears once that the source is idle"


def test_sources_that_the_jvm_reads_have_their_clocks_there():
    reader = operator(FAST, SLOW)
    value = json.dumps({"series": "s", "at": NOW // 1000, "ms": 1}).encode()
    frames, _ = results(list(reader.process(unread([(Record("web", value=value), None)]))))
    assert [frame.clocks for frame in frames] == [((1, NONE, NONE, True),)] * 4
    frames, _ = results(list(reader.process(unread([event(1)], now=NOW + 2_000))))
    assert {number for frame in frames for number, *_ in frame.clocks} == {1}


def test_without_aggregate_frames_have_no_clocks():
    data = list(operator({name: value for name, value in SLOW.items() if name != "aggregate"} | {
        "values": {"value": "ms"}}).process(unread([event(1)])))  # fmt: skip
    frames = [one for one in data if one[:1] == b"\x00"]
    assert len(frames) == 1
    assert frames[0][2] & 0x40 == 0
