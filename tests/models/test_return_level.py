"""Check the threshold that goes by the return level of a series' own past, and what it takes over from training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eddy.alert_settings import AlertSettings
from eddy.errors import ModelError, SettingsError
from eddy.models.alerting.rules import AlertRuleResolver
from eddy.models.artifacts import artifact
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.core.threshold import usual_period
from eddy.models.engine.scorer import ModelScorer
from eddy.models.serving.loaded_model import load_model
from eddy.models.thresholds.return_level import ReturnLevelThreshold
from eddy.testing.thresholds import limits_of
from eddy.training.fitting.causal_run import CausalRun, causal_run, thresholded
from eddy.training.fitting.fit import ThresholdRule, fit_model

MINUTE = 60_000
SPEC = WindowSpec(16, interval_ms=MINUTE)
FOREST = {"trees": 20}


def series(name: str, seed: int, n: int = 600, spread: float = 1.0) -> Series:
    values = np.random.default_rng(seed).normal(10, spread, (n, 1))
    return Series(name, np.arange(n, dtype=np.int64) * MINUTE, values, np.zeros(n, bool))


def test_normal_scores_exceed_the_limit_about_once_a_period() -> None:
    rng = np.random.default_rng(1)
    blocks = []
    for scores in (rng.exponential(size=80_000), rng.normal(size=80_000), rng.standard_t(3, size=80_000)):
        above = scores > limits_of(ReturnLevelThreshold(period=1000.0), scores)
        blocks.append(len({*(np.flatnonzero(above[2000:]) // 24)}))
    assert all(78 / 1.5 <= count <= 78 * 1.5 for count in blocks), blocks


def test_a_series_that_training_has_seen_begins_with_its_own_limit() -> None:
    quiet, loud = np.random.default_rng(2).exponential(size=(2, 3000)) * np.array([[1.0], [5.0]])
    threshold = ReturnLevelThreshold.fit({"quiet": quiet, "loud": loud}, period=500.0)
    threshold.past = {"quiet": threshold.taught(quiet), "loud": threshold.taught(loud)}
    state = threshold.first_state(["quiet", "loud", "new"])
    limits = threshold.limits(np.zeros(3), np.full(3, -1), state)
    assert 4.5 < limits[0] < 9
    assert limits[1] == pytest.approx(5 * limits[0], rel=0.3)
    assert limits[2] == threshold.start


def test_a_new_series_keeps_the_start_until_its_past_is_a_period_long() -> None:
    scores = np.random.default_rng(3).exponential(size=400)
    limits = limits_of(ReturnLevelThreshold(start=50.0, period=240.0, block=24), scores)
    assert (limits[:216] == 50.0).all()
    assert (limits[240:] < 15.0).all()


def test_with_a_memory_a_restless_spell_raises_the_limit() -> None:
    scores = np.random.default_rng(4).exponential(size=6000)
    scores[4000:] *= 10
    counts = []
    for memory in (0.0, 100.0):
        limits = limits_of(ReturnLevelThreshold(period=1000.0, memory=memory), scores)
        counts.append(int((scores > limits)[4200:5200].sum()))
    assert counts[0] >= 5
    assert counts[1] <= 2
    scaled = limits_of(ReturnLevelThreshold(period=1000.0, memory=100.0), scores * 7)
    np.testing.assert_allclose(scaled[1100:], 7 * limits[1100:])


@pytest.mark.parametrize("params", [{"period": 20}, {"block": 0}, {"memory": -1}, {"periods": 7}, {"period": "a"}])
def test_a_parameter_out_of_its_range_is_named(params: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=str(next(iter(params)))):
        ReturnLevelThreshold.fit({"a": np.ones(100)}, **params)


def test_usual_period_is_a_day_and_a_half_and_a_thousand_points() -> None:
    assert [usual_period(ms) for ms in (1000, MINUTE, 5 * MINUTE, 86_400_000, 0)] == [129_600, 2160, 1000, 1000, 2000]


def test_a_trained_model_hands_the_job_what_its_threshold_learned() -> None:
    trained = fit_model("m", "isolation-forest", [series("a", 0), series("b", 1)], SPEC, params=FOREST)
    assert trained.manifest.threshold["policy"] == "return-level"
    assert trained.manifest.threshold["period"] == usual_period(MINUTE)
    model = load_model(trained.publishable(), trained.content)
    assert {*model.threshold.past} == {"a", "b"}
    scorer = ModelScorer(model, AlertRuleResolver(AlertSettings(), model.alerts, model.manifest))
    scorer.add([0, 1], ["a", "unknown"])
    state = scorer.threshold_state[scorer.rows(np.array([0, 1]))]
    np.testing.assert_array_equal(state[0], model.threshold.past["a"])
    assert not state[1].any()


def test_only_thresholds_that_learn_from_training_carry_a_past() -> None:
    trained = fit_model("m", "isolation-forest", [series("a", 0)], SPEC, params=FOREST, rule=ThresholdRule("max"))
    assert not load_model(trained.publishable(), trained.content).threshold.past


def test_a_past_that_is_not_of_the_threshold_is_refused() -> None:
    detector = artifact.load(fit_model("m", "isolation-forest", [series("a", 0)], SPEC, params=FOREST).content)
    threshold = ReturnLevelThreshold()
    row = threshold.taught(np.random.default_rng(0).exponential(size=3000))
    assert np.array_equal(artifact.read_past(artifact.dump(detector, {"a": row}), threshold)["a"], row)
    assert artifact.read_past(artifact.dump(detector), threshold) == {}
    too_many = row.copy()
    too_many[3] = 1e6  # maxima held
    for wrong in (row[:-1], too_many):
        with pytest.raises(ModelError, match=r"threshold\.past"):
            artifact.read_past(artifact.dump(detector, {"a": wrong}), threshold)


def test_an_incident_opens_once_however_many_rows_it_has() -> None:
    raw = np.full(400, np.nan)
    raw[100:] = 0.0
    raw[[200, 201, 210, 234, 300]] = 9.0
    run = thresholded(
        CausalRun(np.zeros(400), raw, np.full(400, np.nan)), ReturnLevelThreshold(start=5.0), np.arange(400), 100
    )
    assert np.flatnonzero(run.deviates >= 1.96).tolist() == [200, 201, 210, 234, 300]
    assert np.flatnonzero(run.alerts).tolist() == [200, 300]


def test_evaluation_flags_by_the_detectors_own_threshold() -> None:
    one = series("a", 5, 1500)
    values = one.values.copy()
    values[1200] += 15
    spec = replace(SPEC, interval_ms=0)
    run = causal_run("isolation-forest", one.ts, values, 1000, FOREST, spec)
    assert run.opened is not None
    assert run.opened[1200]
    assert run.opened.sum() <= 3
    assert np.isfinite(run.raw_limits[1000:]).all()
