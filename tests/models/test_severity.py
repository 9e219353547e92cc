"""Check what makes an alert severe: how rare its score is, in three ways, or what the detector says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from eddy.alert import severity_level
from eddy.models.core.detector import Floats, WindowBatch
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import LoadedModel, load_model
from eddy.models.serving.model_set import ModelSet
from eddy.testing.toy_series import SPEC, START, TRAIN, seasonal
from eddy.training.fitting.fit import ThresholdRule, fit_model, tail_limit
from tests.models.small_models import manifest, model_set, severities

#: one that scores windows as they are, and one that learns
KINDS = ["zscore", "isolation-forest"]
RULE = ThresholdRule("rate", params={"interval_seconds": 1800.0})


@cache
def model(kind: str) -> LoadedModel:
    trained = fit_model(kind, kind, TRAIN, SPEC, rule=RULE)
    return load_model(trained.publishable(), trained.content)


def rated(kind: str, share: float, times: float, beyond: float) -> float:
    """Rate a score that ``share`` of the validation scores exceed, at so many times its limit."""
    one = model(kind)
    assert one.calibration is not None
    score, usual = tail_limit(one.calibration, share), one.calibration.median
    limit = usual + (score - usual) / times
    return float(severities(one, np.array([score]), np.array([limit]), [beyond])[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("share", "times", "beyond", "word"),
    [
        (1e-2, 1.1, -1.0, "low"),
        (1e-3, 1.1, 1.0, "medium"),
        (1e-4, 1.3, 2.0, "high"),
        (1e-6, 1.4, 9.0, "high"),  # far beyond its past, not far beyond its limit
        (1e-6, 2.0, 0.1, "high"),  # a record by next to nothing
        (1e-3, 2.0, 9.0, "high"),  # training has seen such scores
        (1e-6, 2.0, 9.0, "critical"),
    ],
)
def test_three_ways_of_being_rare_make_the_level_for_every_detector(kind, share, times, beyond, word):
    assert severity_level(round(rated(kind, share, times, beyond))) == word


@pytest.mark.parametrize("kind", KINDS)
def test_severity_never_falls_with_any_of_the_three(kind):
    for vary in (
        [rated(kind, share, 1.2, 0.5) for share in np.geomspace(0.3, 1e-9, 30)],
        [rated(kind, 1e-3, times, 0.5) for times in np.linspace(1.0, 3.0, 30)],
        [rated(kind, 1e-3, 1.2, beyond) for beyond in np.linspace(-30.0, 30.0, 30)],
    ):
        assert (np.diff(vary) >= -1e-9).all()
        assert 0 <= vary[0] < vary[-1] <= 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_without_a_past_of_its_own_has_at_most_medium(kind):
    assert severity_level(round(rated(kind, 1e-9, 9.0, np.nan))) == "medium"


@pytest.mark.parametrize("kind", KINDS)
def test_normal_data_are_never_critical_and_rarely_high(kind):
    fresh = seasonal("a", 77, 60, START + 21 * 86_400_000)
    models = ModelSet()
    models.adopt(model(kind))
    alerts = list(replay(models, EngineOptions(), ["a"], np.zeros(len(fresh.ts), np.int64), fresh.ts, fresh.values))
    assert not [alert for alert in alerts if alert.severity_word == "critical"]
    assert len({alert.id for alert in alerts if alert.severity >= 50}) <= 60 / 7 / 2  # half of what the rate promises


@pytest.mark.parametrize("kind", KINDS)
def test_a_huge_spike_after_weeks_of_quiet_is_critical(kind):
    fresh = seasonal("a", 77, 60, START + 21 * 86_400_000)
    fresh.values[2400:2404] += 900.0
    models = ModelSet()
    models.adopt(model(kind))
    alerts = replay(models, EngineOptions(), ["a"], np.zeros(len(fresh.ts), np.int64), fresh.ts, fresh.values)
    assert max(one.severity for one in alerts if one.start <= fresh.ts[2403] <= one.end) >= 75


def test_severity_does_not_depend_on_batches():
    fresh = seasonal("a", 77, 60, START + 21 * 86_400_000)
    fresh.values[500::700] += 60.0
    found = []
    for size in (64, 1000):
        models = ModelSet()
        models.adopt(model("zscore"))
        codes = np.zeros(len(fresh.ts), np.int64)
        alerts = replay(models, EngineOptions(), ["a"], codes, fresh.ts, fresh.values, size)
        found.append([(one.id, one.state, one.severity) for one in alerts])
    assert found[0] == found[1]
    assert found[0]


def test_a_detector_whose_rarest_scores_are_often_normal_is_never_critical():
    trained = fit_model("dmd", "dmd", TRAIN, replace(SPEC, window=25), params={"rank": 4}, rule=RULE)
    one = load_model(trained.publishable(), trained.content)
    (found,) = severities(one, np.array([1e6]), np.ones(1), [50.0])
    assert severity_level(round(found)) == "high"


@pytest.mark.parametrize(("features", "word"), [(1, "critical"), (19, "medium")])
def test_novelty_asks_more_of_many_features(features, word):
    series = [replace(one, values=np.repeat(one.values, features, axis=1)) for one in TRAIN]
    names = tuple(f"f{i}" for i in range(features))
    trained = fit_model("novelty", "novelty", series, replace(SPEC, features=names))
    one = load_model(trained.publishable(), trained.content)
    (found,) = severities(one, np.array([10 * 1.96]), np.full(1, 1.96), [np.nan])
    assert severity_level(round(found)) == word


def test_auto_is_more_severe_the_more_evidence_there_is_and_by_the_words_of_its_levels() -> None:
    found = []
    for height in (4.0, 4.3, 4.6, 5.0, 12.0, 40.0):
        values = np.random.default_rng(1).normal(50, 1, 3000)
        values[2900] = 50 + height
        models = ModelSet()
        models.start_cold(cold_model("auto", 200))
        codes, ts = np.zeros(len(values), np.int64), START + np.arange(len(values)) * 60_000
        spiked = [
            one for one in replay(models, EngineOptions(), ["a"], codes, ts, values[:, None]) if one.end == ts[2900]
        ]
        found.append(max((one.severity for one in spiked), default=0))
    assert found == sorted(found)
    assert found[-1] > found[0] + 40
    assert severity_level(found[-1]) == "critical"


class Unrated(RollingZScore):
    """Cannot say how sure it is."""

    def severities(self, batch: WindowBatch, scores: Floats) -> Floats | None:
        raise ZeroDivisionError("no evidence")


def test_an_alert_of_unknown_severity_is_better_than_none() -> None:
    models = model_set(manifest())
    loaded = models.models["z"]
    models.adopt(replace(loaded, manifest=replace(loaded.manifest, version=2), detector=Unrated(loaded.detector.spec)))
    failures = []
    values = np.r_[np.random.default_rng(2).normal(0, 1, 30), 500.0]
    codes, ts = np.zeros(len(values), np.int64), START + np.arange(len(values)) * 1000
    alerts = replay(
        models, EngineOptions(), ["a"], codes, ts, values[:, None], follow=lambda _, one: failures.extend(one.failures)
    )
    assert [(one.severity, one.severity_word) for one in alerts if one.end == ts[-1]] == [(0, "low")]
    assert failures == [("z", 2, "ZeroDivisionError: no evidence")]
