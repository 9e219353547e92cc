"""Check the limits that bound a shard's memory: at each, what is refused, what is told, what is counted."""

from __future__ import annotations

import json

import pytest

from eddy.flink_job.operators import pending_events, shard
from eddy.flink_job.operators.limit_events import AGAIN_MS
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine import engine
from eddy.models.engine.options import EngineOptions
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import ModelSet
from eddy.models.windowing import windows
from tests.eddy.test_schemas import validator
from tests.flink_job.shard_harness import ALERTS, DLQ, EVENTS, NOW, Harness, observation, of
from tests.models.small_models import inline, manifest, model_set

TTL = 3_600_000


def limits(sent):
    """The limits that a shard told of, each message checked against its schema."""
    found = [event for event in of(sent, EVENTS) if event["event"] == "limit-reached"]
    for event in found:
        validator("event").validate(event)
    return [event["limit"] for event in found]


# -- series -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [lambda: model_set(manifest()), ModelSet])
def test_observations_of_series_beyond_the_maximum_become_dead_letters(models):
    one = Harness(models(), max_series=3)
    assert of(one.send(*[observation(f"s-{k}", NOW, 1.0) for k in range(3)]), DLQ) == [], "as many as fit"
    messages = [observation(name, NOW + 1, 2.0) for name in ("s-0", "new", "s-2", "other", "new")]
    sent = one.send(*messages)
    letters = [item for item in sent if item.role == DLQ]
    assert [(item.key, item.headers["reason"], item.headers["offset"]) for item in letters] == [
        (b"new", "too-many-series", "101"),
        (b"other", "too-many-series", "103"),
        (b"new", "too-many-series", "104"),
    ]
    assert [item.value for item in letters] == [messages[k][1] for k in (1, 3, 4)], "as they came"
    for item in letters:
        validator("dead-letter-headers").validate(item.headers)
        assert "job.max_series = 3" in item.headers["detail"]
    assert one.shard.engine.slot_of.keys() == {"s-0", "s-1", "s-2"}
    assert one.shard.counts.limited == one.shard.counts.bad == 3


def test_known_series_are_scored_beside_those_that_find_no_place():
    one = Harness(model_set(manifest()), max_series=1)
    one.data(0.0, 0.1, -0.1, 0.2, 0.0, 0.1)
    sent = one.send(observation("new", NOW + 6, 50.0), observation("s", NOW + 6, 50.0), observation("x", NOW + 6, 1.0))
    assert [alert["series"] for alert in of(sent, 0)] == ["s"]
    assert len(of(sent, DLQ)) == 2


def test_maximum_of_series_is_told_once_an_hour():
    one = Harness(model_set(manifest()), max_series=1)
    one.data(1.0)
    assert limits(one.data(1.0, series="t")) == ["job.max_series"]
    assert limits(one.data(1.0, series="u")) == []
    one.elapsed += AGAIN_MS
    assert limits(one.data(1.0, series="u")) == ["job.max_series"]


def test_silent_series_make_room_for_new_ones():
    one = Harness(model_set(manifest()), max_series=1, engine=EngineOptions(state_ttl_ms=TTL))
    one.data(1.0)
    assert len(of(one.data(1.0, series="t"), DLQ)) == 1
    one.tick(TTL + 1)
    assert of(one.data(1.0, series="t"), DLQ) == []
    assert one.shard.engine.slot_of.keys() == {"t"}


def test_series_of_a_savepoint_beyond_the_maximum_are_kept():
    before = Harness(model_set(manifest()))
    before.send(*[observation(f"s-{k}", NOW, 1.0) for k in range(5)])
    before.checkpoint()
    after = Harness(model_set(manifest()), state=before.state, max_series=2)
    sent = after.send(observation("s-4", NOW + 1, 1.0), observation("new", NOW + 1, 1.0))
    assert [item.key for item in sent if item.role == DLQ] == [b"new"]
    assert len(after.shard.engine.slot_of) == 5


def test_feedback_on_an_unknown_series_takes_no_place_that_there_is_not():
    from tests.flink_job.test_shard import word

    one = Harness(model_set(manifest()), max_series=1)
    one.data(1.0)
    (event,) = of(one.feedback(word(series="t"), key=b"t"), EVENTS)
    assert event["event"] == "feedback-refused"
    assert "job.max_series" in event["reason"]
    assert one.shard.engine.slot_of.keys() == {"s"}
    (event,) = of(one.feedback(word()), EVENTS)
    assert event["event"] == "feedback-taken"


# -- pending events ---------------------------------------------------------------------------------------------------


SIZE = len(observation("s-0", NOW, 1.0)[1])


@pytest.mark.parametrize(("limit", "most"), [("MAX_EVENTS", 4), ("MAX_BYTES", 4 * SIZE)])
def test_full_pending_events_are_told_and_counted(monkeypatch, limit, most):
    monkeypatch.setattr(pending_events, limit, most)
    monkeypatch.setattr(shard, limit, most)
    one = Harness(ModelSet())
    assert limits(one.send(*[observation(f"s-{k}", NOW, 1.0) for k in range(4)])) == []
    assert one.shard.counts.limited == 0
    sent = one.send(*[observation(f"s-{k}", NOW, 1.0) for k in range(4, 7)])
    assert limits(sent) == ["pending events"]
    assert one.shard.counts.limited == one.shard.counts.dropped == 3
    assert len(one.shard.pending) == 4
    assert str(most) in of(sent, EVENTS)[0]["reason"]
    one.checkpoint()
    assert len(json.loads(one.state["pending"])) == 4


# -- memory of a model ------------------------------------------------------------------------------------------------


def wide(window, version=1):
    return manifest("z", RollingZScore(WindowSpec(window)), version=version)


def test_model_takes_no_more_series_than_its_memory_allows():
    model = wide(100)
    room = 4 * load_model(model, inline(model)).series_bytes
    one = Harness(model_set(model), engine=EngineOptions(max_model_bytes=room, state_ttl_ms=TTL))
    assert limits(one.send(*[observation(f"s-{k}", NOW, 1.0) for k in range(4)])) == []
    sent = one.send(*[observation(f"s-{k}", NOW + 1, 1.0) for k in range(2, 6)])
    assert limits(sent) == ["job.max_model_bytes"]
    assert of(sent, EVENTS)[0]["model"] == "z"
    assert one.shard.counts.limited == 2
    scorer = one.shard.engine.scorers["z"]
    assert set(scorer.series_of.values()) == {f"s-{k}" for k in range(4)}
    assert one.shard.pending.series == ["s-4", "s-5"], "they wait for a model, or for room"
    one.now += TTL // 2
    one.elapsed += TTL // 2
    one.send(*[observation(f"s-{k}", NOW + 2, 1.0) for k in range(1, 6)])
    one.tick(TTL // 2 + 1)
    one.tick()
    assert set(one.shard.engine.scorers["z"].series_of.values()) == {f"s-{k}" for k in (1, 2, 3, 4)}
    assert one.shard.pending.series == ["s-5"]


def test_version_with_a_larger_window_keeps_as_many_series_as_fit():
    large = wide(400, version=2)
    room = 2 * load_model(large, inline(large)).series_bytes
    one = Harness(model_set(wide(4)), engine=EngineOptions(max_model_bytes=room))
    for start in range(0, 6):
        one.send(*[observation(f"s-{k}", NOW + start, 50.0 if start == 5 else start % 2) for k in range(5)])
    assert len(one.shard.engine.scorers["z"].incidents.open) == 5
    one.models.put(large, inline)
    sent = one.tick()
    assert limits(sent) == ["job.max_model_bytes"]
    assert len(one.shard.engine.scorers["z"].series_of) == 2
    assert [alert["state"] for alert in of(sent, ALERTS)] == ["closed"] * 3, "nothing will score those again"


def test_long_batch_is_scored_in_parts_with_the_same_result(monkeypatch):
    def sent(most):
        monkeypatch.setattr(engine, "_MAX_NUMBERS_AT_ONCE", most)
        parts.clear()
        one = Harness(model_set(manifest()), engine=EngineOptions(report_scores=True))
        values = [0.0, 0.1, -0.1, 0.2, 0.0, 0.1, 50.0, 0.0, 0.1, 40.0, 0.1, 0.2]
        return [(item.role, item.value) for item in one.data(*values)]

    parts = []
    push = windows.WindowStore.push

    def counting(store, rows, *more):
        parts.append(len(rows))
        return push(store, rows, *more)

    monkeypatch.setattr(windows.WindowStore, "push", counting)
    whole = sent(1000)
    assert parts == [12]
    assert sorted(sent(20)) == sorted(whole)
    assert parts == [5, 5, 2], "no more than 20 numbers in windows of four"
    assert sorted(sent(1)) == sorted(whole)


# -- reorder buffer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["events", "bytes"])
def test_full_reorder_buffer_releases_its_events_in_order(monkeypatch, limit):
    options = EngineOptions(out_of_orderness_ms=10**6, max_held_events=8 if limit == "events" else 10**6)
    if limit == "bytes":
        monkeypatch.setattr(engine, "_MAX_HELD_BYTES", 8 * 48 + 47)
    one = Harness(model_set(manifest()), engine=options)
    values = dict(enumerate([0.0, 0.1, -0.1, 0.2, 0.0, 0.1, 50.0, 0.1]))
    order = [3, 0, 1, 2, 7, 6, 5, 4]
    assert one.send(*[observation("s", NOW + k, values[k]) for k in order]) == []
    assert one.shard.engine.clock.waiting == 8, "as many as fit"
    sent = one.send(observation("t", NOW, 1.0))
    assert limits(sent) == ["job.max_held_events"]
    assert [(alert["state"], alert["start"]) for alert in of(sent, ALERTS)] == [("open", NOW + 6)], "in order"
    assert one.shard.engine.clock.waiting == 0
    assert one.shard.counts.limited == 9
    (late,) = of(one.send(observation("s", NOW - 1, 1.0)), DLQ)
    assert late["reason"] == "late"


def test_bytes_of_held_events_count_their_features(monkeypatch):
    monkeypatch.setattr(engine, "_MAX_HELD_BYTES", 1000)
    one = Harness(ModelSet(), engine=EngineOptions(out_of_orderness_ms=10**6))
    assert one.shard.engine._max_held() == 1000 // 48
    one.models.columns |= {f"f-{k}": k + 1 for k in range(19)}
    assert one.shard.engine._max_held() == 1000 // 200
