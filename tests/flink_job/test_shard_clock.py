"""Check a shard against clocks that are wrong: of one event, of a series, and of the computer itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eddy.errors import DataError
from eddy.feedback import reset_of
from eddy.flink_job.operators.dead_letters import KEPT_BYTES
from eddy.models.engine.options import EngineOptions
from eddy.models.serving.model_set import ModelSet
from tests.flink_job.shard_harness import ALERTS, DLQ, EVENTS, NOW, Harness, observation, of
from tests.models.small_models import manifest, model_set

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TTL = 600_000
VALUES = [0.0, 0.1, -0.1, 0.1]


def one_model():
    return model_set(manifest())


def events(*minutes, value=0.0, series="s"):
    return [observation(series, NOW + k * MINUTE, value + k % 3 / 10) for k in minutes]


def ahead(hours=23, series="s"):
    return observation(series, NOW + hours * HOUR, 1.0)


# -- one event far ahead ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
def test_event_far_ahead_becomes_a_dead_letter_and_its_series_goes_on(restart):
    shard = Harness(one_model())
    assert of(shard.send(*events(*range(20)), ahead()), DLQ) == [], "the next event decides"
    if restart:
        shard.checkpoint()
        assert "parked" in shard.state
        shard = shard.restarted(one_model)
    sent = shard.send(*events(*range(20, 1000)))
    (letter,) = [one for one in sent if one.role == DLQ]
    assert (letter.key, letter.value) == ahead()
    assert letter.headers["reason"] == "future"
    assert letter.headers["offset"] == "120"
    assert f"{23 * HOUR - 19 * MINUTE} ms after the other events" in letter.headers["detail"]
    assert shard.shard.counts.late == 0
    assert shard.shard.engine.clock.last[0] == NOW + 999 * MINUTE
    shard.checkpoint()
    assert "parked" not in shard.state


def test_gap_of_many_hours_is_told_of_nowhere():
    shard = Harness(one_model())
    shard.now += 9 * HOUR
    sent = shard.send(*events(*range(20))) + shard.send(*events(500)) + shard.send(*events(501))
    assert not [one for one in sent if one.role in (DLQ, EVENTS)]
    assert shard.shard.engine.clock.last[0] == NOW + 501 * MINUTE
    assert len(shard.shard.parked) == 0


def test_large_event_far_ahead_is_cut_and_names_its_size():
    shard = Harness(one_model())
    key, value = ahead()
    value = value[:-1] + b" " * KEPT_BYTES + b"}"
    shard.send(*events(*range(20)), (key, value))
    (letter,) = [one for one in shard.send(*events(20)) if one.role == DLQ]
    assert letter.value == value[:KEPT_BYTES]
    assert (letter.headers["size"], letter.headers["truncated"]) == (str(len(value)), "true")


def test_event_far_ahead_of_a_series_that_falls_silent_becomes_a_dead_letter():
    shard = Harness(one_model(), engine=EngineOptions(state_ttl_ms=TTL))
    shard.send(*events(*range(20)), ahead())
    found = [headers["reason"] for _ in range(12) for headers in of(shard.tick(MINUTE), DLQ)]
    assert found == ["future"]
    assert shard.shard.engine.slot_of == {}


# -- the clock of a series --------------------------------------------------------------------------------------------


def test_wrong_clock_of_a_series_is_taken_back_and_told():
    shard = Harness(one_model())
    wrong = [observation("s", NOW + DAY + k * MINUTE, value) for k, value in enumerate([*VALUES, 50.0])]
    sent = shard.send(*wrong)
    assert [alert["state"] for alert in of(sent, ALERTS)] == ["open"]
    sent = shard.send(*events(1, 2, 3))
    assert of(sent, DLQ) == []
    (told,) = of(sent, EVENTS)
    assert (told["event"], told["series"]) == ("clock-taken-back", "s")
    assert f"{NOW + DAY + 4 * MINUTE}" in told["reason"]
    (closed,) = of(sent, ALERTS)
    assert closed["state"] == "closed"
    sent = shard.send(*events(4, 5, 6), observation("s", NOW + 7 * MINUTE, 80.0))
    assert [alert["state"] for alert in of(sent, ALERTS)] == ["open"], "it is scored again"


# -- the computer's clock ---------------------------------------------------------------------------------------------

STEPS = [HOUR, -HOUR, 10 * DAY, -10 * DAY]


def forgotten_after(shard, minutes):
    for _ in range(minutes):
        shard.tick(MINUTE)
    assert "s" in shard.shard.engine.slot_of
    for _ in range(3):
        shard.tick(MINUTE)
    assert shard.shard.engine.slot_of == {}


@pytest.mark.parametrize("step", STEPS)
def test_step_of_the_wall_clock_forgets_no_series_and_keeps_none_for_ever(step):
    shard = Harness(one_model(), engine=EngineOptions(state_ttl_ms=TTL))
    shard.send(*events(*range(5)))
    shard.tick()
    shard.step(step)
    forgotten_after(shard, 9)


@pytest.mark.parametrize("step", STEPS)
def test_step_of_the_wall_clock_while_the_job_is_down_changes_nothing(step):
    engine = EngineOptions(state_ttl_ms=TTL, out_of_orderness_ms=DAY, hold_timeout_ms=5000)
    shard = Harness(one_model(), engine=engine)
    shard.send(*events(*range(5)))
    shard.checkpoint()
    shard = shard.restarted(one_model)
    shard.step(step)
    shard.tick(1000)
    shard.tick(MINUTE)
    assert shard.shard.engine.clock.waiting == 0, "held events were released"
    forgotten_after(shard, 8)


@pytest.mark.parametrize("step", STEPS)
def test_step_of_the_wall_clock_neither_releases_nor_keeps_held_events(step):
    shard = Harness(one_model(), engine=EngineOptions(out_of_orderness_ms=DAY, hold_timeout_ms=5000))
    shard.send(*events(*range(5)))
    shard.step(step)
    shard.tick(4000)
    assert shard.shard.engine.clock.waiting == 5
    shard.tick(1000)
    assert shard.shard.engine.clock.waiting == 0


@pytest.mark.parametrize("step", STEPS)
def test_good_events_are_scored_whatever_the_wall_clock_says(step):
    shard = Harness(one_model(), engine=EngineOptions(points_per_second=100), max_ahead_ms=DAY)
    shard.send(*[observation("s", NOW + k * MINUTE, value) for k, value in enumerate(VALUES)])
    shard.step(step)
    shard.tick()
    sent = shard.send(observation("s", NOW + 4 * MINUTE, 50.0), observation("s", NOW + 5 * MINUTE, 0.0))
    assert [alert["state"] for alert in of(sent, ALERTS)] == ["open"]
    assert of(sent, ALERTS)[0]["detected_at"] == shard.now, "what people see is the wall clock"
    assert of(sent, DLQ) == []


# -- reset ------------------------------------------------------------------------------------------------------------


def reset(series="s", **fields):
    return replace(reset_of(series, "ann", NOW, "new sensor"), **fields)


def test_reset_series_begins_anew_and_no_other_does():
    shard = Harness(one_model())
    for series in ("s", "t"):
        shard.send(*[observation(series, NOW + k, value) for k, value in enumerate([*VALUES, 50.0])])
    shard.send(ahead())
    sent = shard.feedback(reset())
    (told,) = of(sent, EVENTS)
    assert (told["event"], told["series"], told["reason"]) == ("series-reset", "s", "asked for by ann: new sensor")
    assert [(alert["series"], alert["state"]) for alert in of(sent, ALERTS)] == [("s", "closed")]
    assert [headers["reason"] for headers in of(sent, DLQ)] == ["future"], "what waited to be confirmed is told"
    assert list(shard.shard.engine.slot_of) == ["t"]
    shard = shard.restarted(one_model)
    assert list(shard.shard.engine.slot_of) == ["t"], "it is saved"
    sent = shard.send(*[observation("s", NOW - DAY + k, value) for k, value in enumerate([*VALUES, 50.0])])
    assert [alert["state"] for alert in of(sent, ALERTS)] == ["open"], "earlier times are not late"


def test_reset_drops_pending_events():
    shard = Harness(ModelSet())
    shard.data(1.0, 2.0)
    (told,) = of(shard.feedback(reset()), EVENTS)
    assert "nothing was known" not in told["reason"]
    assert len(shard.shard.pending) == 0
    assert shard.shard.counts.dropped == 2


def test_reset_of_an_unknown_series_changes_nothing_and_says_so():
    shard = Harness(one_model())
    shard.data(*VALUES)
    (told,) = of(shard.feedback(reset("other"), key=b"other"), EVENTS)
    assert told["reason"].endswith("; nothing was known of the series")
    assert list(shard.shard.engine.slot_of) == ["s"]


def test_reset_is_checked_like_all_feedback():
    with pytest.raises(DataError, match="field 'model': found 'z', expected none with this action"):
        reset(model="z")
    shard = Harness(one_model())
    shard.data(*VALUES)
    (told,) = of(shard.feedback(reset("other"), key=b"s"), EVENTS)
    assert told["event"] == "feedback-refused"
    assert list(shard.shard.engine.slot_of) == ["s"]
