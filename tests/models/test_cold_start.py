"""Check series without a trained model: warm-up, scoring, hand-over to a published model."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.errors import SettingsError
from eddy.learning_settings import LearningSettings
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.serving.model_set import COLD, ModelSet
from tests.models.small_models import Job, inline, manifest, points

WARM_UP = 40
OPTIONS = EngineOptions(cold=ColdStart(100), live_per_second=100)


def job(options=OPTIONS, **more):
    models = ModelSet()
    models.start_cold(cold_model("novelty", WARM_UP))
    return Job(models, options, **more)


def values(n, seed=0):
    return np.random.default_rng(seed).normal(0, 1, n).tolist()


def states(running):
    return {p.series: p.state for p in running.engine.tick(10**6).live}


def test_new_series_warms_up_and_is_then_scored():
    running = job()
    running.send(points("a", values(WARM_UP - 1)))
    assert states(running) == {"a": "warming"}
    running.send(points("a", values(100, 1), start=WARM_UP - 1))
    assert states(running) == {"a": "ok"}
    result = running.send(points("a", [90.0], start=200))
    assert [(x.series, x.state, x.model["name"]) for x in result.alerts] == [("a", "open", COLD)]


def test_restart_during_warm_up_changes_nothing():
    plain, stopped = job(), job()
    plain.send(points("a", values(150)))
    stopped.send(points("a", values(150)[:20]))
    stopped.checkpoint()
    models = ModelSet()
    models.start_cold(cold_model("novelty", WARM_UP))
    stopped = stopped.restarted(models)
    stopped.send(points("a", values(150)[20:], start=20))
    np.testing.assert_array_equal(plain.engine.scorers[COLD].state[0], stopped.engine.scorers[COLD].state[0])


def test_published_model_takes_over_once_its_window_is_full():
    running = job()
    running.send([*points("a", values(100)), *points("b", values(100))])
    running.models.put(manifest("own", series=("a",)), inline)
    for at in range(3):
        running.send(points("a", [0.0], start=100 + at))
        running.engine.tick(at)
        assert "a" in running.engine.scorers[COLD].series_of.values()
    running.send(points("a", [0.1], start=103))
    running.engine.tick(9)
    assert set(running.engine.scorers[COLD].series_of.values()) == {"b"}
    assert set(running.engine.scorers["own"].series_of.values()) == {"a"}
    running.models.withdraw("own")
    running.send(points("a", [0.1], start=104))
    assert set(running.engine.scorers[COLD].series_of.values()) == {"a", "b"}


def test_published_model_of_series_that_are_not_there_yet_changes_nothing():
    running = job()
    running.models.put(manifest("own", series=("later",)), inline)
    running.send(points("a", values(100)))
    running.engine.tick(1)
    assert set(running.engine.scorers[COLD].series_of.values()) == {"a"}


def test_handover_to_a_published_model_closes_the_open_incident():
    running = job()
    running.send(points("a", [*values(150), 90.0]))
    running.models.put(manifest("own"), inline)
    running.send(points("a", values(4, 2), start=200))
    running.engine.tick(0)
    result = running.send(points("a", [0.0], start=204))
    assert [(x.model["name"], x.state) for x in result.alerts] == [(COLD, "closed")]


def test_series_with_a_published_model_never_gets_the_cold_start_model():
    running = job()
    running.models.put(manifest("own"), inline)
    running.send(points("a", values(10)))
    assert not running.engine.scorers[COLD].series_of


def test_trained_model_is_requested_once_per_series():
    running = job()
    running.send([*points("a", values(99)), *points("b", values(100))])
    assert running.engine.tick(1).cold == ["b"]
    assert running.engine.tick(2).cold == []
    running.send(points("a", [0.0], start=99))
    assert running.engine.tick(3).cold == ["a"]
    assert job(EngineOptions(cold=ColdStart(0))).engine.tick(1).cold == []


def test_cold_start_refuses_detectors_that_need_training():
    with pytest.raises(SettingsError, match="isolation-forest"):
        cold_model("isolation-forest", WARM_UP)
    with pytest.raises(SettingsError, match="start_up"):
        cold_model("novelty", 5000)


@pytest.mark.parametrize(("kind", "points"), [("auto", 200), ("novelty", 250), ("value-novelty", 250)])
def test_warms_up_for_as_long_as_its_detector_usually_does(kind: str, points: int) -> None:
    assert cold_model(kind, LearningSettings().warmup_points).detector.warm_up == points


def test_auto_scores_a_new_series_before_it_has_warmed_up_in_full():
    models = ModelSet()
    models.start_cold(cold_model("auto", 200))
    running = Job(models, OPTIONS)
    running.send(points("a", values(100)))
    result = running.send(points("a", [90.0], start=100))
    assert [(x.series, x.state, x.detector) for x in result.alerts] == [("a", "open", "auto")]
    assert result.alerts[0].reason.startswith("value 90, expected ")


def test_five_hundred_new_series_warm_up_together():
    """Their points arrive interleaved; all warm up and are then scored."""
    names = [f"s{k}" for k in range(500)]
    running = job()
    rng = np.random.default_rng(3)
    rows = rng.normal(0, 1, (WARM_UP + 60, 500))
    for i, row in enumerate(rows):
        running.send([(name, i * 1000, {"value": v}) for name, v in zip(names, row.tolist(), strict=True)])
        if i == WARM_UP // 2:
            assert set(states(running).values()) == {"warming"}
    scorer = running.engine.scorers[COLD]
    assert np.isfinite(scorer.score[[int(scorer.row_of[running.engine.slot_of[name]]) for name in names]]).all()
