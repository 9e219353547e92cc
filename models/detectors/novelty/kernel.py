"""Update one row of state per series with each point: start-up, scale, the three kernels, and their maximum.

A row begins with the peak filter, followed by one block per feature. During start-up a block collects points in the
space that the kernels use later; then the scale is computed from them and they are replayed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints
from eddy.models.core.state_bounds import MOST, Bounds, Each, Either, Numbers, Row, count, one_of, scale, size
from eddy.models.detectors.novelty import peak_filter, rarity, season
from eddy.models.detectors.novelty import value as value_novelty
from eddy.models.detectors.novelty.peak_filter import peak
from eddy.models.detectors.novelty.rarity import step as rarity_step
from eddy.models.detectors.novelty.season import step as season_step
from eddy.models.detectors.novelty.value import step as value_step

VALUE, SEASON, RARITY = 1, 2, 4  # members, as bits
DAY_MS = 86_400_000

# Indices into a feature's block.
PHASE, COUNT, CENTRE, SPREAD, SLOT_MS, SLOTS, SLOT_POINTS = range(7)
Z_VALUE, Z_SEASON, Z_RARITY, NEAREST = range(7, 11)
_UNTOUCHED, _COLLECTING, _RUNNING = 0.0, 1.0, 2.0
VALUE_AT = 11
RARITY_AT = VALUE_AT + value_novelty.STATE_WIDTH
SEASON_AT = RARITY_AT + rarity.STATE_WIDTH
FEATURE_WIDTH = SEASON_AT + season.STATE_WIDTH
MAX_START_UP = (FEATURE_WIDTH - VALUE_AT) // 2  # points that start-up can collect
LARGEST = 8e307  # values beyond count as this, so that the difference of any two is a number
_MIN_SPREAD = 1e-3  # of a constant start-up at 0, in the series' units
_MIN_SLOTS, _MAX_SLOTS = season.MIN_SLOTS, season.SLOTS
MIN_SLOT_MS = 1e-2  # points are a millisecond apart or more, and a slot has at least a third of one


def state_width(features: int) -> int:
    """Return the state size of a series."""
    return peak_filter.STATE_WIDTH + features * FEATURE_WIDTH


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def bounded(x: float) -> float:
    """Return a value as near as it may be to count with."""
    return min(max(x, -LARGEST), LARGEST)


def bounds(features: int, start_up: int) -> Bounds:
    """Return what the state of a series may be: of each feature start-up values, or running kernels."""
    collecting = Row(count(_COLLECTING), count(start_up - 1), Numbers(FEATURE_WIDTH - 2))
    seasons = Either(
        Row(size(), one_of(0), size()),  # too few points a period for slots
        Row(Numbers(1, MIN_SLOT_MS), one_of(_MIN_SLOTS, _MAX_SLOTS), one_of(1, MOST)),
    )
    running = Row(
        one_of(_RUNNING), count(), Numbers(), scale(), seasons, size(3), Numbers(),
        value_novelty.bounds(), rarity.bounds(), season.bounds(),
    )  # fmt: skip
    return Row(peak_filter.bounds(), Each(Either(collecting, running), features))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def scaled(x: float, centre: float, spread: float) -> float:
    """Return sign(u) ln(1 + |u|) of u = (x - centre) / spread: linear near the centre, logarithmic far from it."""
    u = (x - centre) / spread
    return float(np.sign(u) * np.log1p(abs(u)))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def quantile(ordered: Floats, share: float) -> float:
    """Return an interpolated quantile of ascending numbers (as numpy, whose own takes seconds to compile)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def spread_of(ordered: Floats, otherwise: float) -> float:
    """Return the spread of ascending values: 5th to 95th percentile, else deviation, else range, else ``otherwise``."""
    spread = quantile(ordered, 0.95) - quantile(ordered, 0.05)
    if not spread > 0:
        spread = float(ordered.std())
    if not (spread > 0 and np.isfinite(spread)):  # squares may be too large for a number, or too small
        spread = ordered[-1] - ordered[0]
    return spread if spread > 0 else otherwise


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def begin(row: Floats, at: int, values: Floats, ts: Ints, period_ms: float) -> None:
    """Set scale and season from (n,) start-up points, NaN excluded, and make the block ready to run."""
    row[at : at + FEATURE_WIDTH] = 0.0
    ordered = np.minimum(np.maximum(np.sort(values), -LARGEST), LARGEST)
    centre = quantile(ordered, 0.5)
    spread = spread_of(ordered, max(abs(centre), _MIN_SPREAD))
    row[at + PHASE], row[at + CENTRE], row[at + SPREAD] = _RUNNING, centre, spread
    if len(ts) < 2:
        return
    interval = max(quantile(np.sort((ts[1:] - ts[:-1]).astype(np.float64)), 0.5), 1.0)
    points = round(period_ms / interval)
    if points >= _MIN_SLOTS:
        slots = min(points, _MAX_SLOTS)
        row[at + SLOTS] = slots
        row[at + SLOT_MS] = period_ms / slots
        row[at + SLOT_POINTS] = max(round(points / slots), 1)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def feature_step(row: Floats, at: int, x: float, ts: int, members: int) -> float:
    """Return the largest deviate of the chosen members for one value of a running block."""
    y = scaled(x, row[at + CENTRE], row[at + SPREAD])
    row[at + COUNT] += 1.0
    best = 0.0
    if members & VALUE:
        row[at + Z_VALUE], row[at + NEAREST] = value_step(row, at + VALUE_AT, y)
        best = max(best, row[at + Z_VALUE])
    if members & RARITY:
        row[at + Z_RARITY] = rarity_step(row, at + RARITY_AT, y)
        best = max(best, row[at + Z_RARITY])
    if members & SEASON and row[at + SLOTS] > 0:
        row[at + Z_SEASON] = season_step(
            row, at + SEASON_AT, y, ts, row[at + SLOT_MS], int(row[at + SLOTS]), int(row[at + SLOT_POINTS])
        )
        best = max(best, row[at + Z_SEASON])
    return float(best)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def point_step(
    row: Floats, values: Floats, ts: int, members: int, start_up: int, period_ms: float, reference: float
) -> float:
    """Score the next point of a series: 0 during start-up, NaN if every feature is missing.

    Args:
        row: (state_width(F),) state, changed in place.
        values: (F,) in the series' units.
        ts: epoch ms, increasing.
        members: the kernels to use, as a sum of VALUE, SEASON and RARITY.
        start_up: values of a feature that are collected before its first score, at most MAX_START_UP.
        period_ms: length of the season.
        reference: score from which the peak filter counts a point as an alert.
    """
    best, known = 0.0, False
    for f in range(len(values)):
        x = values[f]
        at = peak_filter.STATE_WIDTH + f * FEATURE_WIDTH
        if not np.isfinite(x):
            continue
        x = bounded(x)
        known = True
        if row[at + PHASE] == _RUNNING:
            best = max(best, feature_step(row, at, x, ts, members))
            continue
        count = int(row[at + COUNT])
        row[at + VALUE_AT + 2 * count], row[at + VALUE_AT + 2 * count + 1] = x, float(ts)
        row[at + PHASE], row[at + COUNT] = _COLLECTING, count + 1.0
        if count + 1 == start_up:
            collected = row[at + VALUE_AT : at + VALUE_AT + 2 * start_up].copy()
            times = collected[1::2].astype(np.int64)
            begin(row, at, collected[::2].copy(), times, period_ms)
            for k in range(start_up):
                feature_step(row, at, collected[2 * k], times[k], members)
    if not known:
        return np.nan
    return float(peak(row, 0, best, reference))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def rows_step(
    state: Floats,
    order: Ints,
    rows: Ints,
    values: Floats,
    ts: Ints,
    before: Floats,
    members: int,
    start_up: int,
    period_ms: float,
    reference: float,
) -> Floats:
    """Score n points of some series in the state of all of them: (n,); a series may have several points.

    Args:
        state: (rows, words), changed in place.
        order: (n,) the points, those of one series after the other, each series' in order of time.
        rows: (n,) row of each point's series.
        values, ts: (n, F), (n,) as for one point.
        before: (rows, words); gets each row's state as it was before its newest point.
    """
    scores = np.empty(len(order))
    for k in range(len(order)):
        i = order[k]
        row = rows[i]
        if k + 1 == len(order) or rows[order[k + 1]] != row:
            before[row] = state[row]
        scores[i] = point_step(state[row], values[i], ts[i], members, start_up, period_ms, reference)
    return scores


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def series_step(
    row: Floats, values: Floats, ts: Ints, members: int, start_up: int, period_ms: float, reference: float
) -> Floats:
    """Score n consecutive points of one series: the same steps, without a call for each; return (n,)."""
    scores = np.empty(len(values))
    for i in range(len(values)):
        scores[i] = point_step(row, values[i], ts[i], members, start_up, period_ms, reference)
    return scores
