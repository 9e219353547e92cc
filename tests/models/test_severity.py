"""Check that severity depends only on how rare a score is, for every detector."""

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
from eddy.training.fitting.fit import fit_model, tail_limit
from tests.models.small_models import manifest, model_set, severities

#: one that scores windows as they are, one that learns, one that follows each series and is mostly silent
KINDS = ["zscore", "isolation-forest", "novelty"]


@cache
def model(kind: str) -> LoadedModel:
    trained = fit_model(kind, kind, TRAIN, SPEC)
    return load_model(trained.publishable(), trained.content)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("share", "severity", "word"), [(1e-2, 25, "medium"), (1e-4, 50, "high"), (1e-6, 75, "critical")]
)
def test_equally_rare_scores_have_equal_severity_for_every_detector(kind, share, severity, word):
    one = model(kind)
    assert one.calibration is not None
    score = np.array([tail_limit(one.calibration, share)])
    (found,) = np.rint(severities(one, score, np.ones(1)))
    assert found == pytest.approx(severity, abs=1)
    assert severity_level(severity) == word


@pytest.mark.parametrize("kind", KINDS)
def test_severity_never_falls_with_the_score(kind):
    one = model(kind)
    scores = np.sort(np.r_[-1.0, 0.0, np.geomspace(1e-6, 1e6, 200)])
    found = severities(one, scores, np.full(len(scores), 2.0))
    assert (np.diff(found) >= 0).all()
    assert 0 <= found[0] <= found[-1] == 100


@pytest.mark.parametrize("kind", KINDS)
def test_normal_data_rarely_has_high_severity(kind):
    """In new normal data, at most three times the promised share of points has high severity."""
    one = model(kind)
    fresh = seasonal("a", 77, 60, START + 21 * 86_400_000)
    codes = np.zeros(len(fresh.ts), np.int64)
    models = model_set(one.manifest)
    alerts = replay(models, EngineOptions(), ["a"], codes, fresh.ts, fresh.values)
    high = {alert.id for alert in alerts if alert.severity >= 50}
    assert len(high) <= max(3 * 1e-4 * len(fresh.ts), 2)


def test_severity_without_calibration_is_relative_to_the_limit():
    (one,) = model_set(manifest(limit=3.0)).models.values()
    found = severities(one, np.array([1.0, 3.0, 6.0, 12.0, 24.0, 99.0]), np.full(6, 3.0))
    assert found.tolist() == pytest.approx([0, 25, 50, 75, 100, 100], abs=1)


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

    def severities(self, batch: WindowBatch) -> Floats | None:
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
