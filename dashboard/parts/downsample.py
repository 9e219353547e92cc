"""Reduce a series to fewer points that look the same at the width they are drawn in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.dashboard.records import Floats, Ints

_GAP = 3.0  # a step of this many usual ones is a gap: the line breaks there


def extremes(values: Floats, buckets: int) -> NDArray[np.intp]:
    """Return indices that keep the first, min, max and last value of each of ``buckets`` segments of equal length.

    Drawn over at least as many pixels as there are buckets, the line covers the same pixels as with all points, spikes
    of a single point included, which averages and plain thinning lose (min-max aggregation, as in M4: Jugel et al.,
    VLDB 2014). NaN is never chosen unless a segment has nothing else.

    Returns:
        Sorted indices, all of them where there are few: at most ``4 * buckets``.
    """
    n = len(values)
    if n <= 4 * buckets:
        return np.arange(n)
    edges = np.linspace(0, n, buckets + 1).astype(np.intp)
    size = int(np.diff(edges).max())
    # Segments differ by one in length: each is padded by repeating its last index.
    at = np.minimum(edges[:-1, None] + np.arange(size), edges[1:, None] - 1)
    inside = values[at]
    missing = np.isnan(inside)
    lowest = np.where(missing, np.inf, inside).argmin(axis=1)
    highest = np.where(missing, -np.inf, inside).argmax(axis=1)
    rows = np.arange(buckets)
    kept: NDArray[np.intp] = np.unique(np.concatenate([edges[:-1], at[rows, lowest], at[rows, highest], edges[1:] - 1]))
    return kept


def segments(count: int, buckets: int) -> NDArray[np.intp]:
    """Return where each of at most ``buckets`` segments of equal length starts; for ``np.ufunc.reduceat``."""
    return np.unique(np.linspace(0, count, min(buckets, count), endpoint=False).astype(np.intp))


def usual_step(ts: Ints) -> float:
    """Return the median distance of consecutive times, ms; 0 if there are fewer than two."""
    return float(np.median(np.diff(ts))) if len(ts) > 1 else 0.0


def gap_numbers(ts: Ints) -> Ints:
    """Count, for each time, the gaps before it: steps of several times the usual one."""
    step = usual_step(ts)
    jumps = np.diff(ts, prepend=ts[:1]) > _GAP * step if step else np.zeros(len(ts), np.bool_)
    return np.cumsum(jumps).astype(np.int64)


def with_gaps(ts: Ints, gaps: Ints, *columns: Floats) -> tuple[NDArray[Any], ...]:
    """Insert a row of NaN wherever the gap number changes, so that the drawn line breaks there.

    Args:
        ts: times.
        gaps: for each time, from :func:`gap_numbers`, which may have counted them in a series with more points.
        columns: values at ``ts``, shape (n,) each.

    Returns:
        Times, then the columns.
    """
    breaks = np.flatnonzero(np.diff(gaps)) + 1
    return np.insert(ts, breaks, ts[breaks - 1] + 1), *(np.insert(column, breaks, np.nan) for column in columns)


def ribbon(ts: Ints, gaps: Ints, lower: Floats, upper: Floats) -> tuple[NDArray[Any], Floats]:
    """Return the outline of the area between two lines: for each segment without a gap, forth above and back below.

    Two lines with a fill between them are drawn wrong where they break; outlines are not.

    Returns:
        Times and values; NaN between two outlines.
    """
    known = ~(np.isnan(lower) | np.isnan(upper))
    x: list[NDArray[Any]] = []
    y: list[Floats] = []
    cut = np.flatnonzero(np.diff(gaps) | np.diff(known)) + 1
    for part in np.split(np.arange(len(ts)), cut):
        if len(part) and known[part[0]]:
            x += [ts[part], ts[part][::-1], ts[part[:1]]]
            y += [upper[part], lower[part][::-1], np.array([np.nan])]
    return (np.concatenate(x), np.concatenate(y)) if x else (ts[:0], lower[:0])
