"""Compare the newest points with a bounded past, which a row of state keeps in a ring buffer.

A ring of ``capacity`` values is written twice, ``capacity`` values apart, so that the newest values are always
contiguous, oldest first, and inner loops need no wrap-around.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Each, Numbers, Row, count

SEASONAL_NAIVE, NEIGHBOURS, DISCORD = 0, 1, 2
_KNOWN = 0.75  # share of a segment that has to be present on both sides
_PIECE = 16  # values compared between two checks whether the comparison can still win
_MIN_VALUES = 3  # values of the same phase, for a median


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
def _apart(past: Floats, back: int, length: int, centred: bool, worst: float) -> float:
    """Return the mean square difference of the last ``length`` values and those ``back`` earlier; inf above ``worst``.

    ``centred`` first removes the difference of the means. Both sums only grow with each value, so most comparisons end
    after a few values.
    """
    total, shift, known = 0.0, 0.0, 0
    end = len(past)
    for begin in range(end - length, end, _PIECE):
        for i in range(begin, min(begin + _PIECE, end)):
            d = past[i] - past[i - back]
            if not np.isnan(d):
                total += d * d
                shift += d
                known += 1
        apart = total - shift * shift / max(known, 1) if centred else total
        if apart > worst * length:
            return np.inf
    if known < _KNOWN * length:
        return np.inf
    return apart / known


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def neighbours(past: Floats, period: int, nearest: int) -> tuple[float, float]:
    """Return (mean distance of the last period to its ``nearest`` past ones at the same phase, nearest value)."""
    best = np.full(nearest, np.inf)
    expected = np.nan
    back = period
    while back + period <= len(past):
        apart = _apart(past, back, period, False, best[-1])
        if apart < best[-1]:
            if apart < best[0]:
                expected = past[len(past) - 1 - back]
            best[-1] = apart
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
    best, at = np.inf, 0
    if length <= likely <= len(past) - length:
        best, at = _apart(past, likely, length, True, np.inf), likely
    for back in range(length, len(past) - length + 1):
        apart = _apart(past, back, length, True, best)
        if apart < best:
            best, at = apart, back
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
    state: Floats, values: Floats, mode: int, period: int, reach: int, each: Floats, expected: Floats
) -> Floats:
    """Score one point each of n series; (n, F) values, ``each`` and ``expected``; return (n,)."""
    scores = np.empty(len(values))
    for i in range(len(values)):
        scores[i] = ring_step(state[i], values[i], mode, period, reach, each[i], expected[i])
    return scores


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ring_series(row: Floats, values: Floats, mode: int, period: int, reach: int) -> Floats:
    """Score n consecutive points, (n, F), of one series; return (n,)."""
    scores = np.empty(len(values))
    each, expected = np.empty(values.shape[1]), np.empty(values.shape[1])
    for i in range(len(values)):
        scores[i] = ring_step(row, values[i], mode, period, reach, each, expected)
    return scores
