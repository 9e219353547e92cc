"""Check that no record ends a shard, whatever it holds, and that what leaves for a record is bounded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eddy.feedback import Feedback
from eddy.flink_job.operators.event_messages import event_message
from eddy.flink_job.operators.learning_messages import messages
from eddy.flink_job.wire import parsing
from eddy.flink_job.wire.formats import FastJsonFormat
from eddy.flink_job.wire.frames import ALERTS, CHECKPOINT, DLQ, EVENTS, MARK, TRAINING
from eddy.learning_settings import LearningSettings
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.drift.monitor import RetrainWanted
from eddy.models.engine.batch_result import BatchResult
from eddy.models.serving.model_set import ModelSet
from tests.flink_job.shard_harness import NOW, Harness, observation, of
from tests.models.small_models import manifest, model_set

CALM = [0.0, 0.1, -0.1, 0.2, 0.0, 0.1]
MIB = 1024 * 1024


class Poisoned(FastJsonFormat):
    """A reader with a mistake of its own, which no check expects."""

    def scan(self, values: Any, ends: Any, *arrays: Any) -> None:
        if b"poison" in values.tobytes():
            raise RuntimeError("a mistake in the reader \ud800")
        super().scan(values, ends, *arrays)


def test_record_at_which_the_reader_fails_is_a_dead_letter_with_its_place_and_its_neighbours_are_scored() -> None:
    shard = Harness(model_set(manifest()), form=Poisoned())
    points = [observation("s", NOW + k, value) for k, value in enumerate([*CALM, 50.0])]
    sent = shard.send(*points[:3], (b"s", b"poison"), *points[3:], (b"s", b"no JSON"), (b"t", b"poison, too"))
    letters = of(sent, DLQ)
    assert [(one["reason"], one["offset"]) for one in letters] == [
        ("failed", "103"), ("not-json", "108"), ("failed", "109"),
    ]  # fmt: skip
    assert "RuntimeError: a mistake in the reader" in letters[0]["detail"]
    assert [one.value for one in sent if one.role == DLQ] == [b"poison", b"no JSON", b"poison, too"]
    assert [message["state"] for message in of(sent, ALERTS)] == ["open"]
    assert shard.shard.counts.events == 10


class Raises(RollingZScore):
    """A detector that fails at a value of 66."""

    def _score(self, batch: Any) -> Any:
        if (batch.values[:, -1] == 66).any():
            raise ArithmeticError("cannot take 66")
        return super()._score(batch)


def test_model_that_fails_is_told_once_and_stops_neither_the_others_nor_itself() -> None:
    models = model_set(manifest("good"), manifest("bad"))
    models.models["bad"].detector.__class__ = Raises
    shard = Harness(models)
    sent = shard.data(*CALM, 66.0)
    failed = [event for event in of(sent, EVENTS) if event["event"] == "model-failed"]
    assert [(one["model"], one["version"], one["reason"]) for one in failed] == [
        ("bad", 1, "ArithmeticError: cannot take 66")
    ]
    assert {message["model"]["name"] for message in of(sent, ALERTS)} == {"good"}
    assert of(shard.data(66.0, start=7), EVENTS) == [], "once"
    assert {message["model"]["name"] for message in of(shard.data(*CALM, 500.0, start=8), ALERTS)} == {"good", "bad"}


class ExplainsNothing(RollingZScore):
    """A detector that scores and cannot say why."""

    def explain(self, batch: Any, limits: Any) -> Any:
        raise LookupError("no reason")


class ExplainsTooMuch(RollingZScore):
    """A detector whose explanation is of other windows."""

    def explain(self, batch: Any, limits: Any) -> Any:
        found = super().explain(batch, limits)
        return replace(found, upper=np.vstack([found.upper, found.upper]))


class SpeaksOfOthers(RollingZScore):
    """A detector whose words are of other windows."""

    def explain(self, batch: Any, limits: Any) -> Any:
        found = super().explain(batch, limits)
        return replace(found, upper=np.full_like(found.upper, np.inf))

    def unusual(self, batch: Any) -> list[str]:
        return []


def test_model_without_words_for_its_score_alerts_without_them_and_says_so() -> None:
    models = model_set(manifest("bad"))
    models.models["bad"].detector.__class__ = SpeaksOfOthers
    sent = Harness(models).data(*CALM, 50.0)
    (alert,) = of(sent, ALERTS)
    assert (alert["values"], alert["unusual"]) == ({"value": 50.0}, "")
    (told,) = [event for event in of(sent, EVENTS) if event["event"] == "model-failed"]
    assert told["reason"] == "ModelError: unusual gives 0 texts for 1 windows"


@pytest.mark.parametrize(("kind", "reason"), [(ExplainsNothing, "no reason"), (ExplainsTooMuch, "expected (1, 1)")])
def test_model_that_cannot_explain_its_score_alerts_without_a_band_and_says_so(kind: type, reason: str) -> None:
    models = model_set(manifest("bad"))
    models.models["bad"].detector.__class__ = kind
    sent = Harness(models).data(*CALM, 50.0)
    (alert,) = of(sent, ALERTS)
    assert (alert["values"], alert["upper"], alert["expected"]) == ({"value": 50.0}, {"value": None}, {"value": None})
    (told,) = [event for event in of(sent, EVENTS) if event["event"] == "model-failed"]
    assert reason in told["reason"]


def test_feedback_at_which_the_engine_fails_is_refused_and_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = Harness(model_set(manifest()))
    (alert,) = of(shard.data(*CALM, 50.0), ALERTS)
    said = Feedback(alert["id"], alert["series"], "m", "ack", "ann", NOW, alert["start"], alert["end"]).to_json()
    plain = shard.shard.engine.take_feedback
    monkeypatch.setattr(shard.shard.engine, "take_feedback", lambda *_: 1 // 0)
    (refused,) = of(shard.feedback(said), EVENTS)
    assert refused["event"] == "feedback-refused"
    assert refused["reason"].startswith("ZeroDivisionError")
    monkeypatch.setattr(shard.shard.engine, "take_feedback", plain)
    (taken,) = of(shard.feedback(said), EVENTS)
    assert taken["event"] == "feedback-taken"


@pytest.mark.parametrize("field", ["value", "key"])
def test_dead_letter_of_a_large_record_keeps_its_beginning_and_a_digest(field: str) -> None:
    large = b"x" * MIB
    key, value = (b"s", large) if field == "value" else (large, b"small")
    (letter,) = Harness(model_set(manifest())).send((key, value))
    assert letter.key == key[:4096]
    assert letter.value == value[:4096]
    cut = {"size": str(len(value)), "sha256": hashlib.sha256(value).hexdigest(), "truncated": "true"}
    assert cut.items() <= letter.headers.items()
    (whole,) = Harness(model_set(manifest())).send((b"s", b"x" * 100_000))
    assert len(whole.value or b"") == 100_000
    assert "truncated" not in whole.headers


def test_keys_that_are_no_series_are_not_kept() -> None:
    shard = Harness(model_set(manifest()))
    before = parsing._name.cache_info().currsize
    for k in range(20):
        shard.send((b"%d" % k * 1000, b"{}"), (b"s", b"{}"))
    assert parsing._name.cache_info().currsize <= before + 1


@pytest.mark.parametrize("text", [b"oversized: found 9 bytes, expected at most 8", b"skipped: job.skip names it"])
def test_feedback_that_was_left_out_is_refused_with_its_place(text: bytes) -> None:
    shard = Harness(model_set(manifest()))
    (event,) = of(shard.feedback(text), EVENTS)
    assert event["event"] == "feedback-refused"
    assert event["reason"] == f'feedback: {text.decode()} (partition="3" offset="100")'


def test_events_are_bounded_whatever_a_message_holds() -> None:
    shard = Harness(model_set(manifest()))
    (sent,) = [one for one in shard.feedback(b"{}", key=b"k" * MIB) if one.role == EVENTS]
    assert len(sent.value or b"") < 10_000
    key, value = event_message("job", 1, {"event": "model-refused", "model": "m\ud800" * MIB, "reason": "r" * MIB})
    assert len(key or b"") < 10_000
    assert len(value) < 30_000
    assert json.loads(value)["event"] == "model-refused"


def test_training_requests_for_very_many_series_are_several_messages() -> None:
    names = [f"{k:0512d}" for k in range(3000)]
    wanted = [("m", name, RetrainWanted(0, k)) for k, name in enumerate(names)]
    sent = list(messages(BatchResult(retrain_requests=wanted), ModelSet(), 5, "job", LearningSettings()))
    assert {role for role, _, _ in sent} == {TRAINING}
    assert max(len(value) for _, _, value in sent) < MIB
    assert {name: at for _, _, value in sent for name, at in json.loads(value)["since"].items()} == {
        name: k for k, name in enumerate(names)
    }


def checkpoint(shard: Harness, number: int, source: int, sources: int = 3) -> bool:
    """Send a source's CHECKPOINT frame; return whether state was written and marked."""
    sent = shard.send(kind=CHECKPOINT, source=source, sources=sources, checkpoint=number)
    assert bool(shard.state.written) == (MARK in [one.role for one in sent])
    return bool(shard.state.written)


def test_state_is_written_once_for_each_checkpoint_when_all_sources_have_come_to_it() -> None:
    shard = Harness(model_set(manifest()))
    shard.data(*CALM)
    assert [checkpoint(shard, 1, source) for source in (2, 0)] == [False, False]
    shard.data(0.2, start=6)  # of the source that is still to come
    assert checkpoint(shard, 1, 1)
    after = shard.restarted(lambda: model_set(manifest()))
    assert of(after.data(50.0, start=7), ALERTS) == of(shard.data(50.0, start=7), ALERTS)


def test_checkpoint_that_was_given_up_does_not_count_for_the_next() -> None:
    shard = Harness(model_set(manifest()))
    shard.data(*CALM)
    assert not checkpoint(shard, 1, 0)
    assert [checkpoint(shard, 2, source) for source in (1, 2)] == [False, False]
    assert checkpoint(shard, 2, 0)


def test_sources_that_have_ended_are_not_waited_for() -> None:
    shard = Harness(model_set(manifest()))
    shard.data(*CALM)
    shard.end(source=0)
    shard.data(0.1, start=6)
    assert not checkpoint(shard, 1, 1)
    assert checkpoint(shard, 1, 2)
