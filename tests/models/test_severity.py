"""Check that severity depends only on how rare a score is, for every detector."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from eddy.alert import severity_level
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import LoadedModel, load_model
from eddy.training.fitting.fit import fit_model, tail_limit
from tests.models.small_models import manifest, model_set
from tests.models.test_contract import SPEC, START, TRAIN, seasonal

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
    (found,) = np.rint(one.severities(score, np.ones(1)))
    assert found == pytest.approx(severity, abs=1)
    assert severity_level(severity) == word


@pytest.mark.parametrize("kind", KINDS)
def test_severity_never_falls_with_the_score(kind):
    one = model(kind)
    scores = np.sort(np.r_[-1.0, 0.0, np.geomspace(1e-6, 1e6, 200)])
    found = one.severities(scores, np.full(len(scores), 2.0))
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
    found = one.severities(np.array([1.0, 3.0, 6.0, 12.0, 24.0, 99.0]), np.full(6, 3.0))
    assert found.tolist() == pytest.approx([0, 25, 50, 75, 100, 100], abs=1)
