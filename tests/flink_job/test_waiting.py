"""Check that events without a model wait: the newest are kept, and state of earlier versions is read."""

from __future__ import annotations

import base64
import json

from eddy.flink_job.operators.pending_events import MOST, PendingEvent, PendingEvents


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
    waiting = PendingEvents(MOST)
    assert sum(waiting.add("long", event(k)) for k in range(MOST)) == 0
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
