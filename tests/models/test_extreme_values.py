"""Check that no value is too large or too small to be scored: overflow and units must not hide an anomaly."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest

from eddy.models.artifacts import artifact
from eddy.models.catalog import threshold_from_params
from eddy.models.core.detector import Detector, Floats, Series, WindowBatch, WindowSpec
from eddy.training.fitting.fit import fit_model
from tests.models.test_gaps_in_training import PARAMS

INTERVAL, DAY, SPIKE = 1_800_000, 48, 150
SPEC = WindowSpec(24, interval_ms=INTERVAL)
TRAINED, LIVE = 14 * DAY, 200


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> None:
    warnings.simplefilter("error", RuntimeWarning)


def values(scale: float = 1.0) -> tuple[Floats, Floats]:
    n = TRAINED + LIVE
    noise = np.random.default_rng(0).normal(0, 0.3, n)
    found = scale * (20 + 5 * np.sin(2 * np.pi * np.arange(n) / DAY) + noise)
    found[TRAINED + SPIKE] += 60 * scale
    return found[:TRAINED], found[TRAINED:]


@cache
def fitted(kind: str, scale: float = 1.0) -> tuple[Detector, float]:
    ts = INTERVAL * np.arange(TRAINED, dtype=np.int64)
    train = [Series("s", ts, values(scale)[0][:, None], np.zeros(TRAINED, np.bool_))]
    trained = fit_model("m", kind, train, SPEC, params=PARAMS[kind], seed=1)
    limit = threshold_from_params(trained.manifest.threshold).start
    return artifact.load(trained.content), float(limit)


def scores(detector: Detector, live: Floats) -> Floats:
    ts = INTERVAL * np.arange(TRAINED, TRAINED + LIVE, dtype=np.int64)
    found = detector.score_series("s", ts, live[:, None])
    assert not np.isinf(found).any()
    return found


@pytest.mark.parametrize("spike", [1.7e308, -1.7e308, 1e200])
@pytest.mark.parametrize("kind", PARAMS)
def test_huge_value_scores_above_the_limit_and_spoils_nothing(kind: str, spike: float) -> None:
    detector, limit = fitted(kind)
    live = values()[1].copy()
    live[SPIKE] = spike
    found = scores(detector, live)
    assert found[SPIKE] > limit
    assert np.isfinite(found[SPIKE:]).all(), "what follows is scored"
    window = detector.spec.window
    batch = WindowBatch(
        live[SPIKE - window + 1 : SPIKE + 1, None][None], np.zeros((1, window), np.bool_),
        np.array([INTERVAL * (TRAINED + SPIKE)]), detector.bind(["s"]), detector.initial_state(1),
    )  # fmt: skip
    detector.explain(batch, np.array([limit]))


@pytest.mark.parametrize("scale", [1e-30, 1e150])
@pytest.mark.parametrize("kind", PARAMS)
def test_unit_of_the_data_does_not_matter(kind: str, scale: float) -> None:
    (one, limit), (other, other_limit) = fitted(kind), fitted(kind, scale)
    expected = scores(one, values()[1]) > limit
    found = scores(other, values(scale)[1]) > other_limit
    if kind != "left-discord":  # which says itself that it does not look for levels
        assert found[SPIKE : SPIKE + 4].any(), "the spike is found"
    np.testing.assert_array_equal(found, expected)
