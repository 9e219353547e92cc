"""Check DMD as a forecaster: known dynamics, online updates, bounded state, period detection."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.errors import SettingsError
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Detector, Series, WindowBatch, WindowSpec
from eddy.models.preprocessing.seasonality import dominant_period, usual_period

SPEC = WindowSpec(25)
N = 1500


def series(values: np.ndarray, name: str = "a", step: int = 1000) -> Series:
    values = values[:, None] if values.ndim == 1 else values
    return Series(name, step * np.arange(len(values), dtype=np.int64), values, np.zeros(len(values), np.bool_))


def waves(noise: float = 0.0, shift: float = 0.0) -> np.ndarray:
    t = np.arange(N) + shift
    clean = 50 + 5 * np.sin(2 * np.pi * t / 20) + 2 * np.cos(2 * np.pi * t / 7)
    return clean + np.random.default_rng(0).normal(0, 1, N) * noise


def fit(values: np.ndarray, **params: object) -> Detector:
    return DETECTORS.get("dmd").fit([series(values)], SPEC, params, seed=1)[0]


def window_of(values: np.ndarray, end: int, detector: Detector) -> WindowBatch:
    part = values[None, end - SPEC.window + 1 : end + 1, None]
    return WindowBatch(
        part, np.zeros(part.shape[:2], np.bool_), np.array([end]), detector.bind(["a"]), detector.initial_state(1)
    )


@pytest.mark.parametrize("params", [{"method": "hankel"}, {"method": "bop"}, {"method": "hankel", "online": False}])
def test_sum_of_waves_is_predicted(params: dict[str, object]) -> None:
    values = waves()
    detector = fit(values, rank=5, **params)
    said = detector.explain(window_of(values, 900, detector), np.array([3.0]))
    assert said.expected[0, 0] == pytest.approx(values[900], abs=0.3)


def test_bagging_is_repeatable_with_the_same_seed() -> None:
    values = waves(0.2)
    one, two = (fit(values, method="bop", trials=2, rank=5).to_state()[0] for _ in range(2))
    np.testing.assert_array_equal(one["operator"], two["operator"])


def test_online_update_follows_changed_dynamics() -> None:
    t = np.arange(N)
    changed: np.ndarray = np.where(t < 700, np.sin(2 * np.pi * t / 20), np.sin(2 * np.pi * t / 11)) * 5
    changed = changed + np.random.default_rng(2).normal(0, 0.05, N)
    head = changed[:600]
    scores = {}
    for online in (False, True):
        detector = DETECTORS.get("dmd").fit([series(head)], SPEC, {"rank": 6, "online": online})[0]
        scores[online] = detector.score_series("a", np.arange(N), changed[:, None])[-300:]
    assert np.median(scores[True]) < 0.5 * np.median(scores[False])


def test_online_update_does_not_learn_an_anomaly() -> None:
    values = waves(0.2)
    struck = values.copy()
    struck[1000] += 500.0
    detector = fit(values)
    usual, after = (detector.score_series("a", np.arange(N), v[:, None]) for v in (values, struck))
    assert after[1000] > 50 * np.median(usual[100:])
    assert np.median(after[1050:1300]) < 2 * np.median(usual[1050:1300])


def test_state_size_does_not_depend_on_the_window() -> None:
    t = np.arange(3000)
    values = np.sin(2 * np.pi * t / 20) + np.random.default_rng(3).normal(0, 0.1, 3000)
    sizes = {w: DETECTORS.get("dmd").fit([series(values)], WindowSpec(w), {"rank": 8})[0].state_size for w in (25, 200)}
    assert sizes[25] == sizes[200]


def test_wrong_parameters_are_named() -> None:
    for params in ({"method": "fourier"}, {"rank": 0}, {"forgetting": 0.7}):
        with pytest.raises(SettingsError, match=str(next(iter(params.values())))):
            DETECTORS.get("dmd").fit([series(waves())], SPEC, params)


def test_default_period_is_a_day_or_else_the_dominant_period() -> None:
    t = np.arange(N)
    values = np.sin(2 * np.pi * t / 20) + 0.5 * np.cos(2 * np.pi * t / 10)
    values = values + np.random.default_rng(0).normal(0, 0.05, N)
    assert dominant_period(values) == 20
    assert dominant_period(np.random.default_rng(1).normal(size=N)) == 0
    assert dominant_period(np.full(N, 3.0)) == 0
    assert usual_period([series(values, step=1)], 64) == 20
    assert usual_period([series(values, step=1_800_000)], 64) == 48
    holes = series(values, step=1)
    holes.values[np.random.default_rng(2).random(N) < 0.1] = np.nan
    assert usual_period([holes], 64) == 20
