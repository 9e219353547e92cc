"""Check a frame's way through a shard, without Flink: what it sends, and what it saves when."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from eddy.feedback import Feedback
from eddy.flink_job.operators.pending_events import PendingEvent, PendingEvents
from eddy.flink_job.wire.frames import ALERTS, CHECKPOINT, DATA, DLQ, END, EVENTS, FEEDBACK, FIGURES, MARK, SCORES, TICK
from eddy.formats import Format
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.options import EngineOptions
from eddy.models.serving.model_set import ModelSet
from tests.flink_job.shard_harness import NOW, Harness, Memory, Sent, observation, of
from tests.flink_job.test_observations import BAD
from tests.models.small_models import inline, manifest, model_set

CALM = [0.0, 0.1, -0.1, 0.2, 0.0, 0.1]
SPIKE = [*CALM, 50.0]
TTL = 3_600_000


def one_model() -> ModelSet:
    return model_set(manifest())


def states(sent: list[Sent]) -> list[str]:
    return [message["state"] for message in of(sent, ALERTS)]


def word(**fields: object) -> Feedback:
    raw = {"id": "0" * 16, "series": "s", "model": "z", "action": "ack", "by": "ann", "ts": NOW, "start": 1, "end": 2}
    return Feedback(**(raw | fields))  # type: ignore[arg-type]


# -- data -------------------------------------------------------------------------------------------------------------


def test_anomaly_is_sent_and_given_to_the_sink():
    sink = Memory()
    shard = Harness(one_model(), sink)
    sent = shard.data(*SPIKE)
    assert states(sent) == ["open"]
    assert [one.key for one in sent] == [b"s"]
    assert [alert.to_json() for alert in sink.of("alert")] == [one.value for one in sent]
    counts = shard.shard.counts
    assert (counts.events, counts.windows, counts.alerts, counts.bad) == (7, 4, 1, 0)


def test_scores_have_no_infinity_and_name_their_version():
    shard = Harness(one_model(), engine=EngineOptions(report_scores=True))
    found = of(shard.data(0.0, 0.0, 0.0, 0.0, 5.0), SCORES)
    assert [one["ts"] for one in found] == [NOW + 3, NOW + 4]
    assert {one["version"] for one in found} == {1}
    assert found[-1]["score"] is None or math.isfinite(found[-1]["score"])


@pytest.mark.parametrize(("value", "reason"), BAD)
def test_unusable_record_becomes_a_dead_letter_as_it_came(value, reason):
    shard = Harness(one_model(), max_ahead_ms=1000)
    (letter,) = shard.send((b"s", value))
    assert letter.role == DLQ
    assert (letter.key, letter.value) == (b"s", value)
    assert letter.headers["reason"] == reason
    place = {"topic": "eddy.observations", "partition": "3", "offset": "100", "timestamp": str(NOW)}
    assert place.items() <= letter.headers.items()
    assert shard.shard.counts.bad == 1


def test_late_and_future_events_become_dead_letters_and_their_neighbours_are_scored():
    shard = Harness(one_model(), max_ahead_ms=1000)
    shard.data(*CALM)
    sent = shard.send(
        observation("s", NOW - 50, 1.0), observation("s", NOW + 5000, 1.0), observation("s", NOW + 9, 50.0)
    )
    assert {(headers["reason"], headers["offset"]) for headers in of(sent, DLQ)} == {("late", "100"), ("future", "101")}
    assert "found ts" in of(sent, DLQ)[-1]["detail"]
    assert states(sent) == ["open"]
    counts = shard.shard.counts
    assert (counts.late, counts.bad) == (1, 1), "an event that is late is not counted as bad"


def test_record_without_key_keeps_none_as_a_dead_letter():
    (letter,) = Harness(one_model()).send((None, b"{}", b"s"))
    assert (letter.key, letter.headers["reason"]) == (None, "bad-series")


# -- series without a model -------------------------------------------------------------------------------------------


def test_events_wait_for_a_model_and_are_scored_in_order_when_it_comes():
    shard = Harness(ModelSet())
    assert shard.data(*SPIKE) == []
    assert len(shard.shard.pending) == 1
    assert shard.models.put(manifest(), inline)
    sent = shard.send(observation("other", NOW, 1.0))
    assert states(sent) == ["open"]
    assert of(sent, ALERTS)[0]["end"] == NOW + len(CALM)
    assert len(shard.shard.pending) == 0


def test_pending_events_survive_a_restart_and_are_saved_only_where_they_changed():
    before = Harness(ModelSet())
    before.data(*SPIKE)
    assert "pending" not in before.state, "nothing is written without a checkpoint"
    before.checkpoint()
    assert "pending" in before.state
    before.checkpoint()
    assert before.state.written == []
    after = before.restarted(one_model)
    assert states(after.tick()) == ["open"]
    after.checkpoint()
    assert "pending" not in after.state


def test_late_pending_events_become_dead_letters_with_their_place():
    shard = Harness(ModelSet())
    shard.send(observation("s", NOW, 1.0), observation("s", NOW - 10, 1.0))
    shard.models.put(manifest(), inline)
    (headers,) = of(shard.tick(), DLQ)
    assert (headers["reason"], headers["offset"], headers["partition"]) == ("late", "101", "3")


def test_pending_event_that_can_no_longer_be_read_becomes_a_dead_letter():
    class Other(Format):
        name = "other"

        def parse(self, value, key):
            raise RuntimeError("never seen the like")

    shard = Harness(ModelSet())
    shard.data(1.0)
    shard.checkpoint()
    after = Harness(one_model(), form=Other(), state=shard.state)
    (headers,) = of(after.tick(), DLQ)
    assert headers["reason"] == "bad-format"
    assert "never seen the like" in headers["detail"]


def test_pending_events_are_forgotten_with_their_series_and_not_before():
    shard = Harness(ModelSet(), engine=EngineOptions(state_ttl_ms=TTL))
    shard.data(1.0, 2.0)
    for _ in range(5):
        shard.tick(TTL // 6)
    assert len(shard.shard.pending) == 1, "the series is not silent for long enough"
    shard.data(3.0, series="t")
    for _ in range(5):
        shard.tick(TTL // 6)
    assert shard.shard.pending.series == ["t"]
    assert shard.shard.counts.dropped == 2
    assert shard.shard.engine.slot_of.keys() == {"t"}


def test_pending_events_of_earlier_state_are_not_forgotten_at_once():
    pending = PendingEvents(5)
    pending.add("s", PendingEvent(NOW - 1000, b"x"))
    shard = Harness(ModelSet(), engine=EngineOptions(state_ttl_ms=TTL))
    shard.state["pending"] = pending.to_bytes()
    after = shard.restarted(ModelSet)
    after.tick()
    after.tick(TTL // 2)
    assert after.shard.pending.series == ["s"]
    after.tick(TTL)
    assert after.shard.pending.series == []


def test_dropped_pending_events_are_counted():
    shard = Harness(ModelSet(), pending_per_series=3)
    shard.data(*SPIKE)
    assert shard.shard.counts.dropped == len(SPIKE) - 3


def test_missing_features_are_reported_once_per_version():
    other = manifest("m", RollingZScore(WindowSpec(4, features=("level",))))
    shard = Harness(model_set(other))
    (event,) = of(shard.data(1.0) + shard.data(1.0, start=1), EVENTS)
    assert (event["event"], event["model"], event["version"]) == ("features-missing", "m", 1)
    assert "level" in event["reason"]
    shard.models.put(replace(other, version=2), inline)
    assert [event["version"] for event in of(shard.data(1.0, start=2) + shard.data(1.0, start=3), EVENTS)] == [2]
    assert shard.shard.counts.featureless == 2


def test_interval_that_does_not_fit_is_reported_once_per_version():
    shard = Harness(model_set(manifest("m", RollingZScore(WindowSpec(4, interval_ms=60_000)))))
    for k in range(60):
        shard.send(observation("fits", NOW + 60_000 * k, 1.0))
    assert of(shard.tick(20_000), EVENTS) == []
    for k in range(60):
        shard.send(observation("hourly", NOW + 3_600_000 * k, 1.0))
    (event,) = of(shard.tick(20_000) + shard.tick(20_000), EVENTS)
    assert (event["event"], event["model"], event["version"]) == ("interval-mismatch", "m", 1)
    assert "series 'hourly' has a point every 3600 s, the model expects one every 60 s" in event["reason"]
    assert shard.shard.counts.off_interval == 1


def test_several_points_in_each_interval_are_reported_and_jitter_is_not():
    """Of two points in every minute, one comes in time: that half of all steps fits hides nothing."""
    shard = Harness(model_set(manifest("m", RollingZScore(WindowSpec(4, interval_ms=60_000)))))
    for k in range(60):
        jitter = (k * 7 % 11 - 5) * 3_000
        shard.send(observation("jitter", NOW + 60_000 * k + jitter, 1.0))
    assert of(shard.tick(20_000), EVENTS) == []
    for k in range(60):
        shard.send(observation("pairs", NOW + 60_000 * k, 1.0))
        shard.send(observation("pairs", NOW + 60_000 * k + 1_000, 1.0))
    (event,) = of(shard.tick(20_000), EVENTS)
    assert "series 'pairs' has a point every 1 s, the model expects one every 60 s" in event["reason"]


# -- ticks, checkpoints, the end --------------------------------------------------------------------------------------


def test_state_is_written_for_checkpoints_ends_and_feedback_only():
    shard = Harness(one_model())
    shard.data(*CALM)
    for kind in (DATA, TICK):
        assert MARK not in [one.role for one in shard.send(kind=kind)]
        assert shard.state.written == []
    for kind in (CHECKPOINT, END, FEEDBACK):
        shard.data(1.0, start=100 * kind)
        sent = shard.send(kind=kind)
        assert shard.state.written
        assert sent[-1].role == MARK, "the mark comes after all that the checkpoint covers"


def test_no_mark_is_sent_where_nobody_groups():
    shard = Harness(one_model(), mark=False)
    assert shard.checkpoint() == []


def test_restart_in_the_middle_gives_the_same_alerts():
    values = [*SPIKE, 0.1, 0.0, 50.0, 50.0, 0.1, 0.0, 0.1, -0.2]
    whole = Harness(one_model())
    expected = [one.message for one in whole.data(*values)]
    for cut in range(1, len(values)):
        shard = Harness(one_model())
        found = [one.message for one in shard.data(*values[:cut])]
        shard.checkpoint()
        lost = shard.data(*values[cut:], start=cut)
        shard = shard.restarted(one_model)
        again = shard.data(*values[cut:], start=cut)
        assert [one.value for one in again] == [one.value for one in lost], "a replay repeats alerts exactly"
        found += [one.message for one in again]
        assert [(m["id"], m["state"], m["end"]) for m in found] == [(m["id"], m["state"], m["end"]) for m in expected]


def test_held_events_are_released_by_a_tick_after_their_time_out():
    shard = Harness(one_model(), engine=EngineOptions(out_of_orderness_ms=60_000, hold_timeout_ms=2000))
    assert shard.data(*SPIKE) == []
    assert shard.tick(1000) == []
    assert states(shard.tick(3000)) == ["open"]


def test_held_events_are_released_when_the_last_source_ends():
    sink = Memory()
    options = EngineOptions(out_of_orderness_ms=60_000, live_per_second=1)
    shard = Harness(one_model(), sink, engine=options)
    shard.data(*SPIKE)
    assert states(shard.end(source=0)) == []
    assert states(shard.end(source=0)) == [], "the same source again, after a restart"
    assert states(shard.end(source=1)) == ["open"]
    assert len(sink.of("live")) == 1, "all live state is written at the end"


def test_live_state_and_statistics_leave_with_ticks():
    sink = Memory()
    options = EngineOptions(live_per_second=5, points_per_second=100, figures=True)
    shard = Harness(one_model(), sink, engine=options)
    shard.data(*CALM)
    sent = shard.tick(6000)
    assert [one.series for one in sink.of("live")] == ["s"]
    assert [one.key for one in sent if one.role == FIGURES] == [b"z"]
    assert FIGURES not in [one.role for one in shard.tick(1000)]


def test_undelivered_items_of_a_sink_are_saved_with_the_checkpoint_and_given_back():
    sink = Memory()
    shard = Harness(one_model(), sink)
    shard.data(*SPIKE)
    shard.checkpoint()
    saved = shard.state["sink:memory"]
    assert saved == sink.pending(0)
    after = Memory()
    again = shard.restarted(one_model, after)
    assert after.pending(0) == saved
    after.undelivered.clear()
    again.checkpoint()
    assert "sink:memory" not in again.state
    gone = shard.restarted(one_model)
    gone.checkpoint()
    assert "sink:memory" not in gone.state, "nobody asks for what a sink that is gone has kept"


def test_pending_redis_items_keep_their_place_in_state():
    shard = Harness(one_model())
    shard.state["redis"] = b"of a job that wrote to Redis"
    sink = Memory()
    after = Harness(one_model(), sink, state=shard.state)
    assert sink.undelivered == [], "another sink does not get it"
    after.checkpoint()
    assert "redis" not in after.state


# -- feedback ---------------------------------------------------------------------------------------------------------


def test_feedback_is_applied_reported_and_given_to_the_sink_once():
    sink = Memory()
    two = model_set(manifest(), manifest("y"))
    shard = Harness(two, sink)
    shard.data(*CALM)
    dismissed = word(action="dismiss", model="")
    sent = shard.feedback(dismissed)
    assert [event["limit_factor"] for event in of(sent, EVENTS)] == [1.1, 1.1]
    assert sink.of("feedback") == [dismissed]
    assert shard.state.written, "it may come after this checkpoint's frame"


def test_alerts_of_a_feedback_frame_are_covered_by_a_mark():
    shard = Harness(one_model())
    shard.data(*SPIKE)
    shard.checkpoint()
    shard.models.withdraw("z")
    sent = shard.feedback(word())
    assert states(sent) == ["closed"]
    assert [one.role for one in sent].index(ALERTS) < [one.role for one in sent].index(MARK)
    assert sent[-1].role == MARK


@pytest.mark.parametrize("field", ["id", "series", "model", "by", "comment", "action", "label"])
def test_feedback_with_lone_surrogates_is_refused_with_its_place(field):
    shard = Harness(one_model(), Memory())
    shard.data(*CALM)
    raw = json.loads(word().to_json()) | {field: "\ud800"}
    sent = shard.feedback(json.dumps(raw).encode(), word())
    refused, taken = of(sent, EVENTS)
    assert refused["event"] == "feedback-refused"
    assert 'partition="3" offset="100"' in refused["reason"]
    assert taken["event"] == "feedback-taken"


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"schema":1,"id":' + b"[" * 900 + b"]" * 900 + b"}"]
)
def test_unreadable_feedback_never_raises(value):
    shard = Harness(one_model())
    (event,) = of(shard.feedback(value, key=b"\xff\xed\xa0\x80"), EVENTS)
    assert event["event"] == "feedback-refused"
