"""The promised rate of false alarms on its way: setting, training, manifest, job, alert."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.models.catalog import threshold_from_params
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.options import ColdStart
from eddy.models.serving.loaded_model import load_model
from eddy.models.serving.model_set import COLD, ModelSet
from eddy.models.thresholds.rate import RateThreshold
from eddy.testing.sinks import make_alert
from eddy.testing.toy_series import TRAIN
from eddy.training.fitting.fit import ThresholdRule, fit_model
from tests.models.small_models import Job, manifest, model_set

SPEC = WindowSpec(48, interval_ms=30 * 60_000)
FOREST = {"trees": 20}
HOUR = 3_600_000


def hourly(values: np.ndarray) -> list:
    return [("a", (1 + i) * HOUR, {"value": float(v)}) for i, v in enumerate(values)]


def test_a_detector_is_trained_with_the_promised_rate_unless_a_threshold_is_named() -> None:
    own = fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST)
    assert own.manifest.threshold["policy"] == "return-level"
    assert own.manifest.threshold["interval_seconds"] == 1800.0
    assert "false_alarms_per_week" not in own.manifest.training
    unnamed = fit_model("m", "zscore", TRAIN, SPEC)
    assert unnamed.manifest.threshold["alarms_per_week"] == 1.0
    trained = fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST, false_alarms_per_week=1.0)
    assert trained.manifest.threshold["policy"] == "rate"
    assert trained.manifest.threshold["alarms_per_week"] == 1.0
    assert trained.manifest.threshold["interval_seconds"] == 1800.0
    assert trained.manifest.training["false_alarms_per_week"] == 1.0
    often = fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST, false_alarms_per_week=7.0)
    assert often.manifest.training["false_alarms_per_week"] == 7.0
    assert (
        threshold_from_params(often.manifest.threshold).start < threshold_from_params(trained.manifest.threshold).start
    )
    assert isinstance(load_model(often.publishable(), often.content).threshold, RateThreshold)
    tail = fit_model("m", "isolation-forest", TRAIN, SPEC, params=FOREST, rule=ThresholdRule("tail"))
    assert tail.manifest.threshold["policy"] == "fixed"


def test_the_interval_of_points_that_are_not_clocked_is_taken_from_their_times() -> None:
    ts, rng = np.arange(600) * 7_000, np.random.default_rng(0)
    series = [Series("a", ts, rng.normal(size=(600, 1)), np.zeros(600, bool))]
    trained = fit_model("m", "zscore", series, WindowSpec(20), rule=ThresholdRule("rate"))
    assert trained.manifest.threshold["interval_seconds"] == 7.0


@pytest.mark.parametrize("kind", ["auto", "novelty"])
def test_a_detector_with_a_limit_of_its_own_keeps_it_and_is_bounded(kind: str) -> None:
    trained = fit_model("m", kind, TRAIN, WindowSpec(1), false_alarms_per_week=0.25)
    threshold = threshold_from_params(trained.manifest.threshold)
    assert isinstance(threshold, RateThreshold)
    assert threshold.start == threshold.detector_limit == pytest.approx(1.96)
    assert threshold.params.alarms_per_week == 0.25


MINUTES = 300_000


def cold_alerts(per_week: float, values: np.ndarray) -> int:
    models = ModelSet()
    models.start_cold(cold_model("novelty", 0, per_week))
    running = Job(models, EngineOptions(cold=ColdStart()))
    events = [("a", (1 + i) * MINUTES, {"value": float(v)}) for i, v in enumerate(values)]
    return sum(a.state == "open" for a in running.send(events).alerts)


def test_series_without_a_model_keep_the_rate_too() -> None:
    """New values of a slow drift alert again and again; where few false alarms are asked for, fewer come."""
    n = 60 * 288
    values = 50 + 30 * np.arange(n) / n + np.random.default_rng(0).normal(0, 2, n)
    most, least = cold_alerts(10.0, values), cold_alerts(0.05, values)
    assert most > 12
    assert least < most


def test_an_alert_tells_how_often_such_a_score_comes_and_batches_do_not_change_it() -> None:
    threshold = RateThreshold(alarms_per_week=2.0).to_params()
    values = np.random.default_rng(3).normal(0, 1, 3000)
    values[2500] += 30

    def alerts(batch: int) -> list[Alert]:
        job = Job(model_set(manifest("z", RollingZScore(WindowSpec(24)), threshold=threshold)))
        events, found = hourly(values), []
        for at in range(0, len(events), batch):
            found += job.send(events[at : at + batch]).alerts
        return found

    whole, parts = alerts(3000), alerts(7)
    opened = [a for a in whole if a.state == "open"]
    assert len(opened) > 5
    weeks = [a.return_period_s / 604_800 for a in opened if a.return_period_s]
    assert len(weeks) > 0.7 * len(opened)  # not in the dozen blocks after the past was begun anew
    far = next(a for a in opened if a.start == 2501 * HOUR)
    assert far.return_period_s == max(a.return_period_s for a in opened if a.return_period_s)
    assert far.return_period_s > 2400 * 3600  # nothing like it in all of the past
    assert far.rarity.startswith("such a score comes about once in ")
    told = {(a.id, a.state): a.return_period_s for a in parts}
    assert all(told[a.id, a.state] == a.return_period_s for a in whole if (a.id, a.state) in told)
    assert {a.id for a in whole} == {a.id for a in parts}


def test_an_alert_survives_a_restart_with_its_return_period() -> None:
    threshold = RateThreshold(alarms_per_week=2.0).to_params()
    values = np.random.default_rng(3).normal(0, 1, 1000)
    values[990] += 30
    job = Job(model_set(manifest("z", RollingZScore(WindowSpec(24)), threshold=threshold)))
    events = hourly(np.r_[values, np.random.default_rng(4).normal(0, 1, 40)])
    opened = next(a for a in job.send(events[:991]).alerts if a.start == 991 * HOUR)
    job.checkpoint()
    again = job.restarted(model_set(manifest("z", RollingZScore(WindowSpec(24)), threshold=threshold)))
    (closed,) = [a for a in again.send(events[991:]).alerts if a.state == "closed" and a.id == opened.id]
    assert closed.return_period_s == opened.return_period_s is not None


def test_a_threshold_that_cannot_say_it_says_nothing() -> None:
    job = Job(model_set(manifest("z", RollingZScore(WindowSpec(4)), limit=1.7)))
    (alert,) = job.send(hourly(np.array([0.0, 0.1, 0.0, 0.1, 0.0, 9.0]))).alerts
    assert alert.return_period_s is None
    assert alert.rarity == ""
    assert json.loads(alert.to_json())["return_period_s"] is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(40, "minute"), (7200, "2 hours"), (86_400, "24 hours"), (604_800, "7 days"), (1_900_000, "3 weeks"),
     (5_300_000, "2 months"), (70_000_000, "2 years")],
)  # fmt: skip
def test_length_of_time_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    assert make_alert(return_period_s=seconds).rarity == f"such a score comes about once in {said} in normal times"


def test_cold_model_by_default_promises_one_a_week() -> None:
    assert cold_model("auto", 0).threshold.to_params()["alarms_per_week"] == 1.0
    assert cold_model("auto", 0).manifest.name == COLD
