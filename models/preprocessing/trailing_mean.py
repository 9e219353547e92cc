"""Average a score over the newest points, so that lasting changes stand out. Keeps one row of state per series."""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Numbers, Row, count


def state_width(points: int) -> int:
    """Return the state size for a mean over ``points`` scores: a count and the scores; 0 for a single point."""
    return 1 + points if points > 1 else 0


def state_bounds(points: int) -> Bounds | None:
    """Return what the state may be; None where there is none."""
    return Row(count(2 * points - 1), Numbers(points)) if points > 1 else None


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def trailing_mean(rows: Floats, scores: Floats) -> Floats:
    """Average each of (n,) scores with those before it, kept in ``rows`` (n, state_width); NaN is not stored."""
    out = np.empty(len(scores))
    for i in range(len(scores)):
        row, points = rows[i], rows.shape[1] - 1
        if np.isnan(scores[i]):
            out[i] = np.nan
            continue
        row[1 + int(row[0]) % points] = scores[i]
        row[0] = row[0] + 1 if row[0] < 2 * points - 1 else points  # keeps counting, but stays small
        known = min(int(row[0]), points)
        out[i] = row[1 : 1 + known].mean()
    return out


def series_means(scores: Floats, points: int) -> Floats:
    """Return (n,) trailing means of one series in order of time, equal to those that the state gives."""
    if points <= 1:
        return scores
    row = np.zeros((1, state_width(points)))
    return np.concatenate([trailing_mean(row, scores[i : i + 1]) for i in range(len(scores))] or [scores])


def limit_of_newest(rows: Floats, limit: Floats) -> Floats:
    """Return (n,) the highest next score that keeps the mean within ``limit``; never below the limit itself."""
    points = rows.shape[1] - 1
    rows = rows.copy()
    seen = rows[:, 0].astype(np.int64)
    rows[np.arange(len(rows)), 1 + seen % points] = 0.0  # the next score overwrites this one
    return np.asarray(np.maximum(limit * np.minimum(seen + 1, points) - rows[:, 1:].sum(axis=1), limit))
