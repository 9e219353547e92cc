"""Check the second operator behind a shard: its checkpoint holds every alert that left before the barrier."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from eddy.flink_job.operators.grouping import GroupingOperator
from eddy.flink_job.wire.frames import EVENTS, Records
from eddy.models.engine.options import EngineOptions
from eddy.models.serving.model_set import ModelSet
from tests.eddy.test_schemas import validator
from tests.flink_job.shard_harness import ALERTS, NOW, Harness, Sent, State, observation
from tests.flink_job.test_frames import taken_apart
from tests.flink_job.test_shard import CALM, SPIKE, TTL, word
from tests.models.small_models import inline, manifest, model_set


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def inc(self, n: int = 1) -> None:
        self.count += n


class Grouping:
    """The operator, with its state in a dict."""

    def __init__(self, state: State | None = None) -> None:
        self.state, self.counter = State() if state is None else state, Counter()
        group: Any = SimpleNamespace(counter=lambda name: self.counter)
        group.add_group = lambda name: group
        context: Any = SimpleNamespace(get_map_state=lambda _: self.state, get_metrics_group=lambda: group)
        self.operator = GroupingOperator(["job.redis=false", "alerts.group_series=2"])
        self.operator.open(context)

    def take(self, sent: list[Sent]) -> list[Sent]:
        out = Records()
        for one in sent:
            out.add(one.role, NOW, one.key, one.value)
        frames = list(self.operator.process_element(out.take(), None))
        return [Sent(role, key, value, headers) for f in frames for role, _, key, value, headers in taken_apart(f)]

    @property
    def incidents(self) -> dict[str, bool]:
        """Whether each incident that it knows is open."""
        buckets = self.operator.groups.buckets.values()
        return {number: member.open for bucket in buckets for number, member in bucket.members.items()}


def withdraw(shard: Harness) -> None:
    shard.models.withdraw("z")


def evict(shard: Harness) -> None:
    shard.now += TTL + 1
    shard.elapsed += TTL + 1


def hand_over(shard: Harness) -> None:
    shard.models.put(manifest(version=2, series=("other",)), inline)


def nothing(shard: Harness) -> None:
    """The frame itself has the alert."""


FRAMES: dict[str, tuple[Callable[[Harness], None], Callable[[Harness], list[Sent]], bool]] = {
    # what happens before, the frame that the alert leaves in, whether a CHECKPOINT frame follows it
    "data": (nothing, lambda shard: shard.data(*CALM, start=50), True),
    "tick, model withdrawn": (withdraw, Harness.tick, True),
    "tick, model no longer covers the series": (hand_over, Harness.tick, True),
    "tick, series evicted": (evict, Harness.tick, True),
    "data, model withdrawn": (withdraw, lambda shard: shard.data(0.0, series="t"), True),
    "checkpoint, model withdrawn": (withdraw, Harness.checkpoint, False),
    "feedback, model withdrawn": (withdraw, lambda shard: shard.feedback(word()), False),
    "feedback, model no longer covers the series": (hand_over, lambda shard: shard.feedback(word()), False),
    "end": (withdraw, lambda shard: shard.end(source=0), False),
}


@pytest.mark.parametrize("name", FRAMES)
def test_checkpoint_of_groups_holds_the_alerts_of_any_frame(name: str) -> None:
    """Whatever frame an incident closes in, the groups' state has it once the barrier comes."""
    before, send, checkpoint_follows = FRAMES[name]
    shard, groups = Harness(model_set(manifest()), engine=EngineOptions(state_ttl_ms=TTL)), Grouping()
    groups.take(shard.data(*SPIKE) + shard.checkpoint())
    assert list(groups.incidents.values()) == [True]
    before(shard)
    sent = send(shard)
    assert "closed" in [one.message["state"] for one in sent if one.role == ALERTS]
    groups.take(sent)
    if checkpoint_follows:
        groups.take(shard.checkpoint())
    after = Grouping(State(groups.state))  # the barrier is here
    after.take([])
    assert after.incidents == groups.incidents
    assert list(after.incidents.values()) == [False]


def test_held_events_and_pending_events_are_covered_as_well() -> None:
    options = EngineOptions(out_of_orderness_ms=60_000, hold_timeout_ms=2000)
    for shard, late in ((Harness(model_set(manifest()), engine=options), None), (Harness(ModelSet()), manifest())):
        groups = Grouping()
        assert [one.role for one in shard.data(*SPIKE)] == []
        if late is not None:
            shard.models.put(late, inline)
        sent = shard.tick(3000)
        assert [one.message["state"] for one in sent] == ["open"]
        groups.take(sent)
        groups.take(shard.checkpoint())
        after = Grouping(State(groups.state))
        after.take([])
        assert list(after.incidents.values()) == [True]


def test_group_beyond_its_members_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eddy.models.alerting.grouping.MAX_BUCKET_MEMBERS", 3)
    shard, groups = Harness(model_set(manifest())), Grouping()
    for k, value in enumerate(CALM):
        shard.send(*[observation(f"s-{s}", NOW + k, value) for s in range(8)])
    sent = groups.take(shard.send(*[observation(f"s-{s}", NOW + 9, 50.0) for s in range(8)]))
    (event,) = [json.loads(one.value or b"") for one in sent if one.role == EVENTS]
    validator("event").validate(event)
    assert (event["event"], event["limit"]) == ("limit-reached", "members of groups")
    assert groups.counter.count == 5
    groups.take(shard.checkpoint())
    assert len(Grouping(State(groups.state)).state) == 2, "one bucket, and the window that it was made with"
