"""Check that feedback on incidents is bounded, idempotent and reversible."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.feedback import Action, Feedback
from eddy.models.alerting.feedback import REMEMBERED, FeedbackOptions, SeriesFeedback
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.engine import Engine, EngineOptions
from eddy.models.engine.state.checkpoint import EngineState
from tests.models.small_models import manifest, model_set

MODEL = manifest(detector=RollingZScore(WindowSpec(20)), limit=3.0)
verdicts = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([-1, 1])), max_size=40)


def test_each_dismissal_raises_the_limit_by_a_step_up_to_the_maximum() -> None:
    feedback = SeriesFeedback(FeedbackOptions(step=0.1, most=1.3))
    factors = []
    for incident in "abcd":
        assert feedback.note(3, incident, 1)
        factors.append(feedback.factor(3))
    assert factors == pytest.approx([1.1, 1.21, 1.3, 1.3])
    assert feedback.factor(4) == 1.0


def test_confirmation_lowers_a_raised_limit_but_not_below_the_model_limit() -> None:
    feedback = SeriesFeedback()
    feedback.note(0, "a", -1)
    assert feedback.factor(0) == 1.0
    feedback.note(0, "b", 1)
    feedback.note(0, "c", 1)
    assert feedback.factor(0) == pytest.approx(1.1)


@given(verdicts, st.floats(0, 1), st.floats(1, 5))
def test_only_the_newest_verdict_on_each_incident_counts(said, step, most) -> None:
    feedback = SeriesFeedback(FeedbackOptions(step, most))
    for incident, verdict in said:
        feedback.note(0, incident, verdict)
        assert not feedback.note(0, incident, verdict), "a repeat changes nothing"
    newest = dict(said)
    assert feedback.factor(0) == pytest.approx(min(max((1 + step) ** sum(newest.values()), 1), most))
    again = SeriesFeedback(FeedbackOptions(step, most))
    again.restore(json.loads(json.dumps(feedback.to_params())))
    assert again.to_params() == feedback.to_params()
    assert again.factor(0) == feedback.factor(0)


def test_remembered_feedback_is_bounded() -> None:
    feedback = SeriesFeedback()
    for k in range(10 * REMEMBERED):
        feedback.note(0, str(k), 1)
        feedback.acknowledge(0, str(k))
    said = feedback.to_params()["0"]
    assert len(said["verdicts"]) == len(said["acknowledged"]) == REMEMBERED


def test_raised_limits_apply_to_the_dismissed_series_and_to_both_signs() -> None:
    feedback = SeriesFeedback(FeedbackOptions(step=1.0))
    limits = np.array([3.0, -3.0, 3.0, 0.0])
    rows = np.array([1, 1, 2, 1])
    assert feedback.raised(rows, limits) is limits
    feedback.note(1, "a", 1)
    assert feedback.raised(rows, limits).tolist() == [6.0, -1.5, 3.0, 0.0]
    assert limits.tolist() == [3.0, -3.0, 3.0, 0.0]


def said(action: Action, incident: str = "1" * 16, model: str = "z", label: str | None = None) -> Feedback:
    return Feedback(incident, "s", model, action, "me", 1, 0, 1, label)


def spiky(engine: Engine, start: int, spikes: int) -> list:
    """Alerts of a series that swings, with spikes of about 8 standard deviations."""
    n = 40 * spikes
    values = np.where(np.arange(n) % 2, 1.0, -1.0)
    values[39::40] = 8.0
    slots = engine.slots(["s"] * n)
    return engine.process(slots, np.arange(start, start + n), values[:, None], 0).alerts


def test_dismissed_series_alerts_less_and_a_restored_job_remembers_it() -> None:
    options = EngineOptions(feedback=FeedbackOptions(step=1.0, most=4.0))
    engine = Engine(model_set(MODEL), options)
    engine.adopt_models()
    before = [a for a in spiky(engine, 0, 5) if a.state == "open"]
    assert len(before) >= 5
    (effect,) = engine.take_feedback(said("dismiss", before[0].id), 0)
    assert (effect.model, effect.factor) == ("z", 2.0)
    assert engine.take_feedback(said("dismiss", before[0].id), 0) == []
    engine.take_feedback(said("label", before[1].id, label="normal"), 0)

    entries = {key: value for key, value in EngineState(engine).changes().items() if value is not None}
    restored = Engine(model_set(MODEL), options)
    EngineState(restored).restore(entries)
    for running in (engine, restored):
        after = spiky(running, 1000, 5)
        assert [a for a in after if a.state == "open"] == []
    assert restored.scorers["z"].feedback.to_params() == engine.scorers["z"].feedback.to_params()


def test_later_alerts_of_an_acknowledged_incident_say_so() -> None:
    engine = Engine(model_set(MODEL), EngineOptions())
    engine.adopt_models()
    alerts = spiky(engine, 0, 1)
    assert [a.state for a in alerts] == ["open"]
    assert not alerts[0].acknowledged
    engine.take_feedback(said("ack", alerts[0].id), 0)
    slots = engine.slots(["s"] * 20)
    closed = engine.process(slots, np.arange(40, 60), np.zeros((20, 1)), 0).alerts
    assert [(a.state, a.acknowledged) for a in closed] == [("closed", True)]
    engine.take_feedback(said("unack", alerts[0].id), 0)
    assert not engine.scorers["z"].feedback.acknowledged(0, alerts[0].id)


def test_feedback_on_unknown_series_applies_and_on_unknown_models_does_not() -> None:
    engine = Engine(model_set(MODEL), EngineOptions(state_ttl_ms=1))
    engine.adopt_models()
    assert engine.take_feedback(said("dismiss", model="other"), 0) == []
    assert [e.model for e in engine.take_feedback(said("dismiss", model=""), 0)] == ["z"]
    engine.tick(100_000)
    assert engine.slot_of == {}, "a series that only feedback spoke of is forgotten like any silent one"
    assert engine.scorers["z"].feedback.to_params() == {}
