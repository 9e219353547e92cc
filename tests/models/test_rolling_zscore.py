"""Check the rolling z-score against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from eddy.errors import DataError
from eddy.models.artifacts import artifact
from eddy.models.core.detector import Series, WindowBatch, WindowSpec
from eddy.models.detectors.zscore import RollingZScore

NUMBERS = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
WINDOWS = st.tuples(st.integers(0, 4), st.integers(2, 8), st.integers(1, 3)).flatmap(
    lambda shape: arrays.arrays(float, shape, elements=NUMBERS)
)


def batch_of(windows):
    n, size = windows.shape[:2]
    return WindowBatch(windows, np.zeros((n, size), bool), np.arange(n), np.full(n, -1), np.zeros((n, 0)))


def detector_for(windows):
    return RollingZScore(WindowSpec(windows.shape[1], features=tuple(f"f{k}" for k in range(windows.shape[2]))))


def plain(window):
    """The score of one window, feature by feature."""
    scores = []
    for values in window.T:
        known = values[~np.isnan(values)]
        if len(known) >= 2 and not np.isnan(values[-1]):
            spread = max(known.std(), 1e-12 * max(abs(known.mean()), 1.0))
            scores.append(abs(values[-1] - known.mean()) / spread)
    return max(scores, default=np.nan)


@given(WINDOWS)
@settings(max_examples=300, deadline=None)
def test_scores_match_the_definition(windows):
    scores = detector_for(windows).score(batch_of(windows))
    expected = np.array([plain(window) for window in windows])
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-3)


@given(WINDOWS)
@settings(max_examples=100, deadline=None)
def test_scores_do_not_depend_on_batches(windows):
    detector = detector_for(windows)
    whole = detector.score(batch_of(windows))
    one_by_one = [detector.score(batch_of(windows[k : k + 1]))[0] for k in range(len(windows))]
    np.testing.assert_array_equal(whole, one_by_one)


@given(WINDOWS, st.floats(0.5, 5))
@settings(max_examples=200, deadline=None)
def test_band_contains_exactly_the_values_below_the_limit(windows, limit):
    detector = detector_for(windows)
    batch = batch_of(windows)
    scores, explained = detector.score(batch), detector.explain(batch, np.full(len(windows), limit))
    np.testing.assert_allclose(explained.attribution.sum(axis=1), 1)
    newest = windows[:, -1]
    with np.errstate(invalid="ignore"):
        outside = ((newest < explained.lower) | (newest > explained.upper)).any(axis=1)
    spread = explained.upper[:, 0] - explained.lower[:, 0]
    clear = (np.abs(scores - limit) > 1e-3) & (np.nan_to_num(spread) > 1e-3)
    if windows.shape[2] == 1:
        np.testing.assert_array_equal(outside[clear], (scores > limit)[clear])


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6, -3.7e9])
def test_constant_scores_0_and_the_first_different_value_scores_high(constant):
    windows = np.full((2, 10, 1), constant)
    windows[1, -1] += max(abs(constant), 1) * 0.01
    quiet, loud = RollingZScore(WindowSpec(10)).score(batch_of(windows))
    assert quiet < 0.01
    assert loud == pytest.approx(3.0, rel=1e-3)


def test_missing_values_are_ignored_and_missing_newest_value_has_no_score():
    windows = np.array([[1.0, np.nan, 2.0, 9.0], [1.0, 2.0, 3.0, np.nan], [np.nan, np.nan, np.nan, 1.0]])[:, :, None]
    scores = RollingZScore(WindowSpec(4)).score(batch_of(windows))
    assert scores[0] == pytest.approx(5 / np.std([1, 2, 9]))
    assert np.isnan(scores[1:]).all()


def test_huge_values_give_a_finite_score_or_none():
    windows = np.array([[1e308, -1e308, 1e308, 1e308], [0, 0, 0, 1.7e308], [1e200, 0, 0, -1e200]])[:, :, None]
    assert not np.isinf(RollingZScore(WindowSpec(4)).score(batch_of(windows))).any()


def test_saved_and_loaded_detector_gives_the_fitted_scores():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 1))
    series = Series("s", np.arange(50), values, np.zeros(50, bool))
    detector, report = RollingZScore.fit([series], WindowSpec(10), {})
    assert report.scores["s"].shape == (41,)
    windows = np.lib.stride_tricks.sliding_window_view(values[:, 0], 10)[:, :, None].copy()
    np.testing.assert_array_equal(artifact.load(artifact.dump(detector)).score(batch_of(windows)), report.scores["s"])
    short = Series("t", np.arange(5), values[:5], np.zeros(5, bool))
    with pytest.raises(DataError, match="series t: found 5 points without a long gap, a window needs 10"):
        RollingZScore.fit([short], WindowSpec(10), {})
