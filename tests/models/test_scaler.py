from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eddy.models.core.detector import Series
from eddy.models.preprocessing.calendar_features import DAY_MS, SeasonPhase
from eddy.models.preprocessing.scaler import SeriesScaler, robust_moments


def series(name: str, values: np.ndarray) -> Series:
    n = len(values)
    return Series(name, np.arange(n, dtype=np.int64), np.asarray(values, float)[:, None], np.zeros(n, np.bool_))


def test_each_series_has_its_own_scale() -> None:
    rng = np.random.default_rng(0)
    scaler = SeriesScaler.fit([series("a", rng.normal(5, 2, 4000)), series("b", rng.normal(-700, 30, 4000))])
    np.testing.assert_allclose(scaler.centre[:, 0], [5, -700], rtol=0.05)
    np.testing.assert_allclose(scaler.spread[:, 0], [2, 30], rtol=0.1)
    assert scaler.bind(["b", "x", "a"]).tolist() == [1, -1, 0]


def test_parts_of_a_series_share_one_scale() -> None:
    values = np.random.default_rng(0).normal(size=300)
    whole = SeriesScaler.fit([series("a", values)])
    parts = SeriesScaler.fit([series("a", values[:100]), series("a", values[100:])])
    np.testing.assert_array_equal(parts.centre, whole.centre)
    assert parts.names == ["a"]


def test_robust_scale_ignores_a_few_anomalies() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    spiked = values.copy()
    spiked[::50] = 1e6
    np.testing.assert_allclose(
        robust_moments(spiked[None, :, None])[1], robust_moments(values[None, :, None])[1], rtol=0.2
    )


@settings(deadline=None)
@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan"))), min_size=1, max_size=40))
@example([5e-324])
def test_spread_is_never_zero(values: list[float]) -> None:
    centre, spread = robust_moments(np.array(values)[None, :, None])
    assert np.isfinite(centre).all()
    assert (spread > 0).all()
    assert np.isfinite(spread).all()


def test_unseen_series_is_scaled_by_its_own_window() -> None:
    scaler = SeriesScaler.fit([series("a", np.arange(100.0))])
    window = 1000 + np.random.default_rng(0).normal(0, 3, (1, 200, 1))
    centre, spread = scaler.moments(np.concatenate([window, window]), np.array([-1, 0]))
    assert abs(centre[0, 0] - 1000) < 2
    assert centre[1, 0] == 49.5
    assert 2 < spread[0, 0] < 4


def test_season_phase_is_used_only_with_enough_data() -> None:
    half_hour = DAY_MS // 48
    assert (SeasonPhase.learnable(half_hour, DAY_MS).day, SeasonPhase.learnable(half_hour, 4 * DAY_MS).day) == (
        False,
        True,
    )
    assert SeasonPhase.learnable(half_hour, 14 * DAY_MS).week
    assert SeasonPhase.learnable(0, 100 * DAY_MS).size == 0
    assert not SeasonPhase.learnable(DAY_MS, 100 * DAY_MS).day


def test_season_phase_repeats_after_a_week() -> None:
    phase = SeasonPhase(day=True, week=True)
    end = np.array([1_735_689_600_000, 1_735_689_600_000 + 7 * DAY_MS, 1_735_689_600_000 + DAY_MS])  # a Wednesday
    encoded = phase.encode(end)
    assert encoded.shape == (3, phase.size)
    np.testing.assert_allclose(encoded[0], encoded[1])
    assert encoded[0, -7:].argmax() == 2
    assert encoded[2, -7:].argmax() == 3
