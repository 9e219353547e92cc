"""Check pending events: the newest are kept within bounds, at a constant cost, and read from older state."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.flink_job.operators import pending_events
from eddy.flink_job.operators.pending_events import MAX_BYTES, MAX_EVENTS, PendingEvent, PendingEvents


def event(number: int) -> PendingEvent:
    return PendingEvent(number, b"%d" % number, 1, 100 + number)


def test_newest_waiting_events_of_each_series_are_kept():
    waiting = PendingEvents(3)
    assert [waiting.add("a", event(k)) for k in range(5)] == [0, 0, 0, 1, 1]
    waiting.add("b", event(9))
    assert len(waiting) == 2
    assert list(waiting.take(["a"])) == [("a", event(k)) for k in (2, 3, 4)]
    assert waiting.series == ["b"]


def test_no_event_waits_with_a_limit_of_0():
    waiting = PendingEvents(0)
    assert waiting.add("a", event(1)) == 1
    assert len(waiting) == 0


def test_shard_limit_drops_the_oldest_event_of_the_longest_queue():
    waiting = PendingEvents(MAX_EVENTS)
    assert sum(waiting.add("long", event(k)) for k in range(MAX_EVENTS)) == 0
    assert waiting.add("short", event(1)) == 1
    assert next(e.ts for _, e in waiting.take(["long"])) == 1, "the oldest of the longest went"
    assert [e.ts for _, e in waiting.take(["short"])] == [1]


def test_waiting_events_survive_serialisation():
    waiting = PendingEvents(5)
    for k in range(3):
        waiting.add("a\"'é", event(k))
    assert waiting.changed
    blob = waiting.to_bytes()
    assert not waiting.changed
    again = PendingEvents(5)
    again.restore(blob)
    assert list(again.take(again.series)) == [("a\"'é", event(k)) for k in range(3)]
    assert again.to_bytes() == b""


def test_state_without_offsets_is_read():
    old = json.dumps([["a", 7, base64.b64encode(b"x").decode()]]).encode()
    waiting = PendingEvents(5)
    waiting.restore(old)
    assert list(waiting.take(["a"])) == [("a", PendingEvent(7, b"x", -1, -1))]


def test_bytes_are_bounded_and_the_largest_series_loses_its_oldest_events():
    waiting = PendingEvents(1000)
    for k in range(100):
        waiting.add("small", event(k))
    large = [PendingEvent(k, bytes(1024 * 1024)) for k in range(12)]
    dropped = sum(waiting.add("large", one) for one in large)
    assert waiting.bytes <= MAX_BYTES
    assert dropped == 5, "seven of a mebibyte fit beside the small ones"
    assert list(waiting.take(["large"])) == [("large", one) for one in large[5:]]
    assert len(list(waiting.take(["small"]))) == 100
    assert waiting.bytes == 0


def test_event_larger_than_all_that_may_be_kept_is_dropped_itself():
    waiting = PendingEvents(10)
    assert waiting.add("a", PendingEvent(1, bytes(MAX_BYTES + 1))) == 1
    assert (len(waiting), waiting.bytes, waiting.to_bytes()) == (0, 0, b"")


def test_full_shard_takes_events_of_new_series_quickly_and_keeps_no_empty_queues():
    waiting = PendingEvents(512)
    for k in range(MAX_EVENTS):
        waiting.add(f"s-{k}", event(k))
    began = time.process_time()
    assert sum(waiting.add(f"new-{k}", event(k)) for k in range(MAX_EVENTS)) == MAX_EVENTS
    seconds = time.process_time() - began
    assert seconds < 2, "a scan of all queues for each would take 10 s"
    assert waiting.series == [f"new-{k}" for k in range(MAX_EVENTS)], "the oldest series went, in turn"


def test_events_of_forgotten_series_are_forgotten():
    waiting = PendingEvents(5)
    for name in ("a", "b", "c"):
        waiting.add(name, event(1))
        waiting.add(name, event(2))
    waiting.to_bytes()
    assert waiting.keep_only({"b": 1}) == 4
    assert waiting.changed
    assert waiting.series == ["b"]
    assert list(waiting.take(["a", "b"])) == [("b", event(1)), ("b", event(2))]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40), st.booleans()), max_size=200))
def test_bounds_and_order_hold_for_any_sequence(steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pending_events, "MAX_EVENTS", 20)
        patch.setattr(pending_events, "MAX_BYTES", 300)
        waiting, added, gone = PendingEvents(6), 0, 0
        for k, (name, size, take) in enumerate(steps):
            if take:
                found = [one.ts for _, one in waiting.take([name])]
                assert found == sorted(found)
                gone += len(found)
            else:
                added += 1
                gone += waiting.add(name, PendingEvent(k, bytes(size)))
            rows = json.loads(waiting.to_bytes() or b"[]")
            assert len(rows) == added - gone <= 20
            assert waiting.bytes == sum(len(base64.b64decode(row[2])) for row in rows) <= 300
            assert set(waiting.series) == {row[0] for row in rows}


def test_checkpoint_encodes_the_events_of_changed_series_only(monkeypatch: pytest.MonkeyPatch):
    encoded: list[bytes] = []
    encode = base64.b64encode

    def counting(value: bytes) -> bytes:
        encoded.append(value)
        return encode(value)

    monkeypatch.setattr(base64, "b64encode", counting)
    waiting = PendingEvents(2)
    for k in range(300):
        waiting.add(f"s-{k % 100}", event(k))
    waiting.to_bytes()
    assert len(encoded) == 200
    encoded.clear()
    waiting.add("s-7", event(400))
    waiting.add("new", event(401))
    list(waiting.take(["s-9"]))
    blob = waiting.to_bytes()
    assert encoded == [b"207", b"400", b"401"]
    again = PendingEvents(2)
    again.restore(blob)
    assert [(name, list(again.take([name]))) for name in again.series] == [
        (name, list(waiting.take([name]))) for name in waiting.series
    ]
