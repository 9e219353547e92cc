"""Events of an aggregated source on their way through a shard: intervals, clocks, late events, restarts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from eddy.flink_job.operators.interval_stage import STATE, IntervalPlan, IntervalStage
from eddy.flink_job.operators.shard import Shard
from eddy.flink_job.operators.shard_options import ShardOptions
from eddy.flink_job.operators.source_clocks import NONE, idle_ms
from eddy.flink_job.wire.frames import (
    ALERTS,
    CHECKPOINT,
    DATA,
    DLQ,
    END,
    SCORES,
    TICK,
    Clock,
    FrameWriter,
    Records,
    read_frame,
)
from eddy.flink_job.wire.raw_events import raw_bytes
from eddy.inputs.record import Record
from eddy.models.engine.options import EngineOptions
from eddy.settings import Settings
from tests.flink_job.shard_harness import Sent, State, of
from tests.flink_job.test_frames import taken_apart
from tests.models.small_models import manifest, model_set

MINUTE = 60_000
T0 = 1_767_225_600_000  # a whole day
CALLS: dict[str, Any] = {
    "topics": "calls",
    "series": "{shop}",
    "aggregate": {"every": "1m", "values": {"value": "count"}},
}


class Aggregating:
    """One shard that gets raw events, with the clocks that their subtasks send."""

    def __init__(
        self, *sources: dict[str, Any], state: State | None = None, subtasks: int = 1, close_after: int = 2
    ) -> None:
        settings = Settings(input=list(sources))
        self.plan = IntervalPlan(settings)
        self.state = State() if state is None else state
        self.now, self.sources = T0, 2 * subtasks
        options = ShardOptions(0, 16, "eddy.observations", 0, 100, EngineOptions(report_scores=True), max_series=1000)
        models = model_set(manifest(alerts={"close_after": close_after}))
        self.shard = Shard(options, models, intervals=IntervalStage(self.plan, 0) if self.plan.rules else None)
        self.shard.restore(self.state)
        self.idle = {number: idle_ms(source) for number, source in enumerate(settings.input)}
        self.clocks: dict[tuple[int, int], tuple[int, int]] = {}
        self.ended: set[int] = set()
        self.said: dict[int, list[Clock]] = {}

    def clocks_of(self, source: int) -> list[Clock]:
        """Return what a subtask says of its clocks now."""
        found = []
        for number, ms in self.idle.items():
            watermark, last = self.clocks.get((source, number), (NONE, NONE))
            active = self.now - (T0 if last == NONE else last) < ms and source not in self.ended
            found.append(Clock(number, watermark, last, active))
        return found

    def send(self, *events: tuple[str, int, list[float]], kind: int = DATA, topic: str = "calls", source: int = 0,
             input_number: int = 0, others: bool = True) -> list[Sent]:  # fmt: skip
        """Hand over a frame with events (series, ts, numbers) that came just now; the others say if they are idle."""
        found: list[Sent] = []
        for other in range(self.sources // 2) if others else ():
            if other != source and self.said.get(other) != self.clocks_of(other):
                found += self.send(kind=TICK, source=other, others=False)
        writer = FrameWriter()
        for offset, (series, ts, numbers) in enumerate(events):
            writer.add(Record(topic, 1, offset, self.now, b"key"), series.encode(), raw_bytes(ts, numbers))
            before = self.clocks.get((source, input_number), (0, 0))
            self.clocks[source, input_number] = (max(before[0], ts), self.now)
        self.ended |= {source} if kind == END else set()
        clocks = self.said[source] = self.clocks_of(source) if source < self.sources // 2 else []  # else: Python
        frame = read_frame(writer.take(kind, 0, self.now, source, self.sources, int(kind == CHECKPOINT), clocks))
        out = Records()
        self.shard.handle(frame, self.state, out)
        return found + [Sent(role, key, value, headers) for role, _, key, value, headers in taken_apart(out.take())]

    def live(self, ms: int, rate: int = 1, series: str = "a", **more: Any) -> list[Sent]:
        """Let time go on in steps of a second, with so many events in each."""
        found = []
        for _ in range(ms // 1000):
            self.now += 1000
            found += self.send(*[(series, self.now - k, []) for k in range(rate)], kind=DATA if rate else TICK, **more)
        return found


def counted(sent: list[Sent]) -> list[tuple[str, int]]:
    return [(one["series"], (one["ts"] - T0) // MINUTE) for one in of(sent, SCORES)]


def test_a_count_that_becomes_zero_is_alerted_while_it_is_zero() -> None:
    job = Aggregating({**CALLS, "aggregate": {**CALLS["aggregate"], "empty": "zero"}})
    rng = np.random.default_rng(0)
    for _ in range(8):
        sent = job.live(MINUTE, rate=5 + int(rng.integers(2)))
    assert not of(sent, ALERTS)
    stopped = job.now
    sent = []
    while not of(sent, ALERTS):
        sent += job.live(1000, rate=0)
        assert job.now - stopped <= 2 * MINUTE + 10_000
    (alert,) = of(sent, ALERTS)
    assert alert["state"] == "open"
    assert alert["interval"] == {"start": alert["end"], "end": alert["end"] + MINUTE, "events": 1}  # the very last one
    assert alert["values"] == {"value": 1.0}
    assert of(job.live(MINUTE, rate=0), SCORES)[0]["ts"] == alert["end"] + MINUTE, "the next one, which is empty"


def test_a_closing_alert_says_the_interval_of_its_newest_point_long_after_it() -> None:
    job = Aggregating({**CALLS, "aggregate": {**CALLS["aggregate"], "empty": "zero"}}, close_after=6)
    job.live(8 * MINUTE, rate=5)
    job.live(2 * MINUTE, rate=0)
    closed: list[dict[str, Any]] = []
    while not closed:
        closed = [one for one in of(job.live(1000, rate=5), ALERTS) if one["state"] == "closed"]
    assert job.now - closed[-1]["end"] > 5 * MINUTE
    start = closed[-1]["end"]
    assert closed[-1]["interval"] == {"start": start, "end": start + MINUTE, "events": 1}  # the very last one


def test_a_replay_is_never_closed_by_the_wall_clock() -> None:
    job = Aggregating({**CALLS, "aggregate": {**CALLS["aggregate"], "empty": "zero"}})
    sent = []
    for minute in range(60):  # an hour of the past in a few seconds, then a hiccup and the end
        events: list[tuple[str, int, list[float]]] = [
            ("a", T0 - 86_400_000 + minute * MINUTE + k * 6000, []) for k in range(10)
        ]
        job.now += 100
        sent += job.send(*events)
    job.now += 10_000
    sent += job.send(kind=TICK)
    sent += job.live(600_000, rate=0)
    assert not of(sent, ALERTS)
    assert counted(sent)[-1][1] == -1440 + 58 - 1 + 1  # up to the newest event less what an interval waits


def test_late_events_become_dead_letters_that_say_when_their_interval_was_closed() -> None:
    job = Aggregating(CALLS)
    job.live(3 * MINUTE)
    sent = job.send(("a", T0 + 5000, []), ("a", job.now, []))
    (late,) = [one for one in sent if one.role == DLQ]
    assert late.headers["reason"] == "late"
    assert "whose interval ended at 2026-01-01T00:01:00" in late.headers["detail"]
    assert "input.0.aggregate.wait" in late.headers["detail"]
    assert (late.headers["topic"], late.headers["form"]) == ("calls", "event")
    assert json.loads(late.value or b"") == {"series": "a", "ts": T0 + 5000, "event": {}}
    assert job.shard.counts.late == 1


def test_a_partition_that_says_nothing_holds_up_no_interval() -> None:
    job = Aggregating(CALLS, subtasks=2)
    job.live(30_000, source=0)
    job.live(5_000, source=1, series="b")
    sent = job.live(3 * MINUTE, source=0)
    assert {one for one in counted(sent) if one[0] == "a"} <= {("a", k) for k in range(3)}
    assert len(job.shard.engine.names) == 2, "both were closed"


def test_the_slowest_partition_in_use_is_the_clock() -> None:
    job = Aggregating(CALLS, subtasks=2)
    old = T0 - 86_400_000
    for step in range(100):  # a replay: the second subtask is far behind the first
        job.now += 100
        job.send(("a", old + step * MINUTE, []), source=0)
        job.send(("b", old + step * 1000, []), source=1)
    assert job.shard.counts.late == 0
    job.now += 100
    job.send(("b", old + 100_000, []), source=1)
    assert job.shard.counts.late == 0


def test_a_restart_in_mid_interval_changes_nothing() -> None:
    whole, first = Aggregating(CALLS), Aggregating(CALLS)
    expected = whole.live(90_000) + whole.live(3 * MINUTE)
    found = first.live(90_000)
    first.send(kind=CHECKPOINT, source=0)
    first.send(kind=CHECKPOINT, source=1)
    second = Aggregating(CALLS, state=State(first.state))
    second.now, second.clocks = first.now, first.clocks
    found += second.live(3 * MINUTE)
    assert [one.message for one in found] == [one.message for one in expected]
    assert second.shard.counts.late == 0


OTHERS: list[dict[str, Any]] = [
    {"every": "2m", "values": {"value": "count"}},
    {"every": "1m", "values": {"value": "count where status >= 400"}},
]


@pytest.mark.parametrize("other", OTHERS)
def test_another_aggregation_begins_anew_and_leaves_no_state_behind(other: dict[str, Any]) -> None:
    first = Aggregating({**CALLS, "aggregate": {"every": "1m", "values": {"value": "count where status >= 500"}}})
    first.send(("a", T0 + 1, [1.0]))
    for source in (0, 1):
        first.send(kind=CHECKPOINT, source=source)
    before = {key for key in first.state if key.startswith(STATE)}
    assert before
    second = Aggregating({**CALLS, "aggregate": other}, state=State(first.state))
    second.send(("a", T0 + 1, [1.0] if "where" in other["values"]["value"] else []))
    for source in (0, 1):
        second.send(kind=CHECKPOINT, source=source)
    after = {key for key in second.state if key.startswith(STATE)}
    assert after
    assert not before & after


def test_the_end_closes_whole_intervals_and_leaves_the_last_one() -> None:
    job = Aggregating(CALLS)
    job.send(("a", T0 + 1, []), ("a", T0 + MINUTE + 1, []), ("a", T0 + 2 * MINUTE + 1, []))
    job.send(kind=END, source=0)
    job.send(kind=END, source=1)
    clock = job.shard.engine.clock
    assert clock.last[job.shard.engine.slot_of["a"]] == T0 + MINUTE


def test_two_sources_make_one_observation_once_both_intervals_have_closed() -> None:
    shop = {"every": "1m", "wait": "10s", "join": "shop"}
    errors = {"topics": "errors", "series": "{shop}", "aggregate": {**shop, "values": {"errors": "count"}}}
    calls = {"topics": "calls", "series": "{shop}", "aggregate": {**shop, "values": {
        "calls": "count", "value": "errors / calls"}}}  # fmt: skip
    job = Aggregating(errors, calls)
    values: list[tuple[int, float]] = []
    process = job.shard.engine.process

    def noted(slots: Any, ts: Any, numbers: Any, *more: Any, **other: Any) -> Any:
        values.extend(zip(((ts - T0) // MINUTE).tolist(), numbers[:, 0].tolist(), strict=True))
        return process(slots, ts, numbers, *more, **other)

    job.shard.engine.process = noted  # type: ignore[method-assign,assignment]
    for _ in range(3 * 60):
        job.now += 1000
        job.send(*[("a", job.now, [])] * 4, topic="calls", input_number=1)
        if job.now % 2000 == 0:
            job.send(("a", job.now, []), topic="errors", input_number=0)
    assert values == [(0, 29 / 236), (1, 30 / 240)]


def test_a_subtask_that_ends_at_once_makes_nothing_of_the_others_late() -> None:
    job = Aggregating(CALLS, subtasks=2)
    job.send(*[("a", T0 + k * 6_000, []) for k in range(100)], kind=DATA, source=0, others=False)
    job.send(kind=END, source=0, others=False)
    job.send(kind=END, source=2, others=False)
    job.now += 30_000
    job.send(kind=TICK, source=0, others=False)
    job.send(*[("b", T0 + k * 6_000, []) for k in range(100)], kind=DATA, source=1)
    job.send(kind=END, source=1)
    job.send(kind=END, source=3)
    assert job.shard.counts.late == 0
    assert len(job.shard.engine.names) == 2


def test_frames_that_are_long_on_their_way_make_nothing_late() -> None:
    """The frames of one subtask wait while a shard is at work, and those of the other have come already."""
    job = Aggregating(CALLS, subtasks=2)
    old = T0 - 86_400_000
    job.send(("a", old, []), source=0)
    job.send(("b", old, []), source=1)
    for minute in range(1, 60):
        job.now += 1_000
        job.send(("a", old + minute * MINUTE, []), source=0, others=False)
    job.send(*[("b", old + minute * MINUTE, []) for minute in range(60)], source=1)
    assert job.shard.counts.late == 0
    job.now += 60_000
    job.send(kind=TICK, source=0)  # both are idle, and say so
    assert len(job.shard.engine.names) == 2
