from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eddy.dashboard.parts.downsample import extremes, gap_numbers, ribbon, segments, with_gaps

VALUES = arrays(np.float64, st.integers(0, 400), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


@settings(deadline=None)
@given(VALUES, st.integers(1, 30))
def test_downsampling_keeps_the_extremes(values, buckets):
    chosen = extremes(values, buckets)
    assert len(chosen) <= max(4 * buckets, 0) or len(chosen) == len(values)
    assert (np.diff(chosen) > 0).all()
    known = values[~np.isnan(values)]
    if len(known):
        assert known.min() in values[chosen]
        assert known.max() in values[chosen]
    if len(values):
        assert chosen[0] == 0
        assert chosen[-1] == len(values) - 1


@settings(deadline=None)
@given(VALUES, st.integers(1, 30))
def test_every_bucket_keeps_its_extremes(values, buckets):
    """A spike of one point is visible at any width and in any place."""
    chosen = extremes(values, buckets)
    edges = np.linspace(0, len(values), buckets + 1).astype(int).tolist()
    for first, last in itertools.pairwise(edges):
        part = values[first:last]
        inside = values[chosen[(chosen >= first) & (chosen < last)]]
        if len(part) and not np.isnan(part).all() and len(values) > 4 * buckets:
            assert np.nanmax(inside) == np.nanmax(part)
            assert np.nanmin(inside) == np.nanmin(part)


def test_few_points_are_not_downsampled():
    assert extremes(np.arange(8.0), 2).tolist() == list(range(8))


def test_line_breaks_only_where_points_are_missing():
    ts = np.array([0, 10, 20, 30, 100, 110, 120])
    times, values = with_gaps(ts, gap_numbers(ts), np.arange(7.0))
    assert times.tolist() == [0, 10, 20, 30, 31, 100, 110, 120]
    assert np.isnan(values).tolist() == [False] * 4 + [True] + [False] * 3


def test_band_is_one_closed_outline_per_stretch():
    ts = np.array([0, 10, 100, 110])
    x, y = ribbon(ts, np.array([0, 0, 1, 1]), np.array([1.0, 1, 2, 2]), np.array([5.0, 6, 7, 8]))
    assert x.tolist() == [0, 10, 10, 0, 0, 100, 110, 110, 100, 100]
    assert y[:4].tolist() == [5, 6, 1, 1]
    assert np.isnan(y[[4, 9]]).all()


def test_band_leaves_out_points_without_bounds():
    x, y = ribbon(np.arange(4), np.zeros(4, int), np.array([1.0, np.nan, 1, 1]), np.array([2.0, 2, np.nan, 3]))
    assert x[~np.isnan(y)].tolist() == [0, 0, 3, 3]


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 100))
def test_buckets_cover_all_points(count, buckets):
    starts = segments(count, buckets)
    assert starts[0] == 0
    assert len(starts) == min(count, buckets)
    assert (np.diff(starts) > 0).all()
