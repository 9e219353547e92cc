"""Compare the newest points with a bounded past, which a row of state keeps in a ring buffer.

A ring of ``capacity`` values is written twice, ``capacity`` values apart, so that the newest values are always
contiguous, oldest first, and inner loops need no wrap-around.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints
from eddy.models.core.state_bounds import Bounds, Each, Numbers, Row, count
from eddy.models.detectors.history.distances import apart, nearest
from eddy.models.detectors.history.running_sums import NONE, nearest_of_each, same_phase_of_each

SEASONAL_NAIVE, NEIGHBOURS, DISCORD = 0, 1, 2
_MIN_VALUES = 3  # values of the same phase, for a median
_FEWEST_RUNNING = 32  # points from which running sums pay


def bounds(features: int, past: int) -> Bounds:
    """Return what a row of state may be: a count, and per feature how far back the nearest segment lay, and a ring."""
    return Row(count(), Each(Row(count(past), Numbers(2 * past, missing=True)), features))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def push(ring: Floats, count: int, value: float) -> Floats:
    """Write value number ``count`` (from 0); return the view of the past, oldest first, the value last."""
    capacity = len(ring) // 2
    place = count % capacity
    ring[place] = value
    ring[place + capacity] = value
    if count + 1 < capacity:
        return ring[: count + 1]
    return ring[place + 1 : place + 1 + capacity]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def seasonal_naive(past: Floats, period: int, periods: int) -> tuple[float, float]:
    """Return (distance of the newest value from the median of its phase in the last periods, that median)."""
    same = np.empty(periods)
    n = 0
    for k in range(1, periods + 1):
        at = len(past) - 1 - k * period
        if at >= 0 and not np.isnan(past[at]):
            same[n] = past[at]
            n += 1
    if n < _MIN_VALUES:
        return np.nan, np.nan
    ordered = np.sort(same[:n])
    median = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    return abs(past[-1] - median), median


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def neighbours(past: Floats, period: int, nearest: int) -> tuple[float, float]:
    """Return (mean distance of the last period to its ``nearest`` past ones at the same phase, nearest value)."""
    best = np.full(nearest, np.inf)
    expected = np.nan
    back = period
    while back + period <= len(past):
        found = apart(past, back, period, False, best[-1])
        if found < best[-1]:
            if found < best[0]:
                expected = past[len(past) - 1 - back]
            best[-1] = found
            best.sort()
        back += period
    if best[-1] == np.inf:
        return np.nan, np.nan
    return np.sqrt(best).mean(), expected


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def discord(past: Floats, length: int, likely: int) -> tuple[float, float, int]:
    """Return the distance of the last ``length`` values, mean removed, to the nearest earlier segment.

    Also returns that segment's newest value and how far back it lies. ``likely`` is tried first: how far back the
    nearest segment lay one point ago, or 0.
    """
    best, at = nearest(past, length, likely)
    if best == np.inf:
        return np.nan, np.nan, 0
    now, then = past[len(past) - length :], past[len(past) - length - at : len(past) - at]
    shift, known = 0.0, 0
    for i in range(length):
        if not np.isnan(now[i] - then[i]):
            shift += now[i] - then[i]
            known += 1
    return np.sqrt(max(best, 0.0)), then[-1] + shift / known, at


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ring_step(row: Floats, values: Floats, mode: int, period: int, reach: int, each: Floats, expected: Floats) -> float:
    """Score the next point of a series: the largest over its features; NaN if no feature has a score.

    Args:
        row: a count, and per feature how far back its nearest segment lay and a ring; changed in place.
        values: (F,) scaled; NaN where missing.
        mode: number of the comparison.
        period: points of a season, or of a segment.
        reach: periods for the median, or nearest neighbours.
        each: (F,) receives each feature's score.
        expected: (F,) receives the expected values, scaled.
    """
    features = len(values)
    size = (len(row) - 1) // features
    count = int(row[0])
    best = np.nan
    for f in range(features):
        past = push(row[2 + f * size : 1 + (f + 1) * size], count, values[f])
        each[f], expected[f] = np.nan, np.nan
        if np.isnan(values[f]):
            continue
        if mode == SEASONAL_NAIVE:
            each[f], expected[f] = seasonal_naive(past, period, reach)
        elif mode == NEIGHBOURS:
            each[f], expected[f] = neighbours(past, period, reach)
        else:
            each[f], expected[f], back = discord(past, period, int(row[1 + f * size]))
            row[1 + f * size] = back
        if np.isnan(best) or each[f] > best:
            best = each[f]
    row[0] = count + 1.0
    return best


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ring_rows(
    state: Floats, rows: Ints, values: Floats, before: Floats, mode: int, period: int, reach: int,
    each: Floats, expected: Floats,
) -> Floats:  # fmt: skip
    """Score n points of some series in the state of all of them: (n,); a series may have several points.

    Args:
        state: (rows, words), changed in place.
        rows: (n,) row of each point's series, each series' in order of time.
        values, each, expected: (n, F) as for one point.
        before: (rows, 2 * F); gets what the newest point of each row overwrites, for :func:`undo`.
        mode, period, reach: as for one point.
    """
    scores = np.empty(len(values))
    for i in range(len(values)):
        row = rows[i]
        _keep(state[row], before[row], values.shape[1])
        scores[i] = ring_step(state[row], values[i], mode, period, reach, each[i], expected[i])
    return scores


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _keep(row: Floats, before: Floats, features: int) -> None:
    """Note how far back the nearest segment of each feature lies, and the value that its next one overwrites."""
    size = (len(row) - 1) // features
    place = int(row[0]) % ((size - 1) // 2)
    for f in range(features):
        before[2 * f], before[2 * f + 1] = row[1 + f * size], row[2 + f * size + place]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def undo(state: Floats, before: Floats) -> None:
    """Take back the newest point of (n, words) rows; ``before`` is what :func:`ring_rows` noted of them."""
    features = before.shape[1] // 2
    size = (state.shape[1] - 1) // features
    capacity = (size - 1) // 2
    for i in range(len(state)):
        state[i, 0] -= 1.0
        place = int(state[i, 0]) % capacity
        for f in range(features):
            at = 2 + f * size + place
            state[i, 1 + f * size] = before[i, 2 * f]
            state[i, at] = state[i, at + capacity] = before[i, 2 * f + 1]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ring_series(row: Floats, values: Floats, mode: int, period: int, reach: int) -> Floats:
    """Score n consecutive points, (n, F), of one series; return (n,)."""
    n, features = values.shape
    if mode == SEASONAL_NAIVE or n < _FEWEST_RUNNING:
        scores = np.empty(n)
        each, expected = np.empty(features), np.empty(features)
        for i in range(n):
            scores[i] = ring_step(row, values[i], mode, period, reach, each, expected)
        return scores
    scores = np.full(n, np.nan)
    size = (len(row) - 1) // features
    count = int(row[0])
    for f in range(features):
        place = 1 + f * size
        found = _feature_series(row[place : place + size], count, values[:, f], mode, period, reach)
        for i in range(n):
            if np.isnan(scores[i]) or found[i] > scores[i]:
                scores[i] = found[i]
    row[0] = count + n
    return scores


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _feature_series(part: Floats, count: int, values: Floats, mode: int, period: int, reach: int) -> Floats:
    """Score n consecutive values of one feature by running sums; return (n,).

    Args:
        part: how far back the nearest segment lay, and a ring; changed in place.
        count: points of the series before these.
    """
    ring, n = part[1:], len(values)
    capacity = len(ring) // 2
    known = min(count, capacity - 1)  # points of the past that the first of the new ones is compared with
    newest_first = np.empty(known + n)
    for k in range(known):
        newest_first[n + k] = ring[(count - 1 - k) % capacity]
    for i in range(n):
        newest_first[n - 1 - i] = values[i]
        push(ring, count + i, values[i])
    clean = not np.isnan(newest_first).any()
    scores = np.full(n, np.nan)
    if mode == DISCORD:
        squares, at = np.empty(n), np.empty(n, np.int64)
        nearest_of_each(newest_first, known, period, capacity, clean, squares, at)
        for i in range(n):
            if not np.isnan(values[i]):
                part[0] = at[i]
                if squares[i] < NONE:
                    scores[i] = np.sqrt(max(squares[i], 0.0))
        return scores
    best = np.empty((n, reach))
    same_phase_of_each(newest_first, known, period, capacity, clean, best)
    for i in range(n):
        if not np.isnan(values[i]) and best[i, -1] < NONE:
            scores[i] = np.sqrt(best[i]).mean()
    return scores
