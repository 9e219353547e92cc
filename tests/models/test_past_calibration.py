from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eddy.models.detectors.novelty import bit_packing as packed
from eddy.models.detectors.novelty.online_calibration import BLOCK_MAXIMA, MOMENTS, add, add_to_block, deviate
from eddy.models.detectors.novelty.peak_filter import STATE_WIDTH, peak
from eddy.training.fitting.causal_run import calibrated


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=50))
def test_running_moments_equal_numpy(scores: list[float]) -> None:
    row = np.zeros(MOMENTS)
    for s in scores:
        add(row, 0, s)
    assert row[1] == pytest.approx(np.mean(scores), rel=1e-9, abs=1e-6)
    assert row[2] == pytest.approx(np.var(scores) * len(scores), rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("n", [5, 20, 1000])
def test_deviate_has_the_tail_of_students_t(n: int) -> None:
    rng = np.random.default_rng(0)
    past = rng.normal(10, 2, n)
    row = np.zeros(MOMENTS)
    for s in past:
        add(row, 0, s)
    t = (16 - past.mean()) / (past.std(ddof=1) * np.sqrt(1 + 1 / n))
    wanted = stats.norm.isf(stats.t.sf(t, n - 1))
    assert deviate(row, 0, 16.0, 0.0) == pytest.approx(wanted, rel=0.02)


def test_deviate_is_0_below_the_mean_and_with_too_little_past() -> None:
    row = np.zeros(MOMENTS)
    add(row, 0, 1.0)
    add(row, 0, 2.0)
    assert deviate(row, 0, 100.0, 0.1) == 0
    add(row, 0, 3.0)
    assert deviate(row, 0, 1.9, 0.1) == 0
    assert deviate(row, 0, 100.0, 0.1) > 0


def test_floor_replaces_the_spread_of_a_constant_past() -> None:
    row = np.zeros(MOMENTS)
    for _ in range(10_000):
        add(row, 0, 0.0)
    assert deviate(row, 0, 0.02, 0.01) == pytest.approx(2, rel=0.01)


def test_maxima_are_taken_over_finished_blocks() -> None:
    row = np.zeros(BLOCK_MAXIMA)
    for s in [1, 5, 2, 0, 0, 3, 9]:
        add_to_block(row, 0, float(s), 3)
    assert (row[0], row[1]) == (2, 4)  # maxima 5 and 3; the 9 is in an unfinished block


def test_peak_keeps_new_maxima_and_escalations() -> None:
    row = np.zeros(STATE_WIDTH)
    scores = [1.0, 0.5, 1.5, 2.0, 3.0, 3.9, 4.1, 0.0]
    assert [peak(row, 0, s, 2.0) for s in scores] == [1.0, 0, 1.5, 2.0, 0, 0, 4.1, 0]
    quiet = [peak(row, 0, 0.0, 2.0) for _ in range(100)]
    assert quiet == [0.0] * 100
    assert peak(row, 0, 1.0, 2.0) == 1.0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 12, 24]))
def test_packed_cells_are_independent(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    cells = 60
    row = np.zeros(packed.state_width(cells, bits) + 2)
    wanted = np.zeros(cells, np.int64)
    for cell, value in zip(rng.integers(0, cells, 200), rng.integers(0, 2**bits, 200), strict=True):
        packed.put(row, 1, int(cell), bits, int(value))
        wanted[cell] = value
    assert [packed.get(row, 1, c, bits) for c in range(cells)] == wanted.tolist()
    assert row[0] == row[-1] == 0


@settings(deadline=None)
@given(st.sets(st.integers(0, 99)), st.integers(0, 99))
def test_nearest_set_finds_the_closest_set_cell(cells: set[int], cell: int) -> None:
    row = np.zeros(packed.state_width(100, 1))
    for c in cells:
        packed.put(row, 0, c, 1, 1)
    found = packed.nearest_set(row, 0, 100, cell)
    if cells:
        assert abs(found - cell) == min(abs(c - cell) for c in cells)
    else:
        assert found == -1


def test_calibrated_scores_are_0_at_first_and_peak_at_the_outlier() -> None:
    rng = np.random.default_rng(1)
    raw = np.abs(rng.normal(0, 1, 2000))
    raw[1500], raw[700] = 40, np.nan
    z = calibrated(raw, 300, 2.0, 0.01)
    assert not z[:300].any()
    assert int(np.argmax(z)) == 1500
    assert z[700] == 0
