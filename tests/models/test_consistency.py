"""Check the consistency detector on the data of a small household."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.models.core.detector import Series, WindowSpec
from eddy.models.detectors.consistency.cross_regression import CrossRegression
from eddy.models.detectors.consistency.detector import ConsistencyDetector

FEATURES = ("power", "voltage", "current")
SPEC = WindowSpec(1, features=FEATURES)


def house(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    voltage = np.round(240 + rng.normal(0, 2, n), 2)
    current = np.round(3 + 2 * np.sin(np.arange(n) / 50) + rng.random(n), 1)
    return np.stack([np.round(voltage * current / 1000 + rng.normal(0, 0.002, n), 3), voltage, current], axis=1)


def scores(change=lambda v: None) -> np.ndarray:
    values = house(3000)
    train, live = values[:2000], values[2000:].copy()
    change(live)
    ts = np.arange(3000, dtype=np.int64) * 60_000
    detector, _ = ConsistencyDetector.fit([Series("h", ts[:2000], train, np.zeros(2000, bool))], SPEC, {})
    return detector.score_series("h", ts[2000:], live)


def freeze(v: np.ndarray) -> None:
    v[500:540] = v[499]


def swap(v: np.ndarray) -> None:
    v[500:540, [0, 2]] = v[500:540, [2, 0]]


def gain(v: np.ndarray) -> None:
    v[500:540, 0] *= 1.3  # inside the range that power has: only the other features tell


@pytest.mark.parametrize("change", [freeze, swap, gain])
def test_broken_relations_between_features_score_high(change) -> None:
    assert np.nanmax(scores(change)[500:540]) >= 4


def test_normal_data_rarely_scores_high() -> None:
    assert (np.nan_to_num(scores()) >= 4).sum() <= 2


def test_missing_feature_leaves_the_other_checks_running() -> None:
    def lose(v: np.ndarray) -> None:
        v[400:, 2] = np.nan
        v[600, 1] = 500.0

    found = scores(lose)
    assert np.isfinite(found[400:]).all()
    assert found[600] >= 4


def test_regression_uses_product_features_and_ignores_noise() -> None:
    values = np.concatenate([house(2000), np.random.default_rng(9).normal(0, 1, (2000, 1))], axis=1)
    found = CrossRegression.fit(values, 0.8)
    assert found.used.tolist() == [True, False, True, False]
    left = values[:, 0] - found.predict(values)[:, 0]
    assert np.percentile(np.abs(left), 95) < 0.02
    assert np.isnan(found.predict(values)[:, 3]).all()
