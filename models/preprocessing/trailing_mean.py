"""The mean of a score over the newest points: what lasts stands out from what passes. A row of state per series."""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats


def state_width(points: int) -> int:
    """State size for a mean over ``points`` scores: how many were seen, and these; 0 where there is nothing to do."""
    return 1 + points if points > 1 else 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def trailing_mean(rows: Floats, scores: Floats) -> Floats:
    """(n,) mean of each score with those before it, which (n, words) ``rows`` remember; NaN stays and is forgotten."""
    out = np.empty(len(scores))
    for i in range(len(scores)):
        row, points = rows[i], rows.shape[1] - 1
        if np.isnan(scores[i]):
            out[i] = np.nan
            continue
        row[1 + int(row[0]) % points] = scores[i]
        row[0] = row[0] + 1 if row[0] < 2 * points - 1 else points  # counts on, but stays small
        known = min(int(row[0]), points)
        out[i] = row[1 : 1 + known].mean()
    return out


def series_means(scores: Floats, points: int) -> Floats:
    """(n,) trailing means of one series in order of time, as the state would give them."""
    if points <= 1:
        return scores
    row = np.zeros((1, state_width(points)))
    return np.concatenate([trailing_mean(row, scores[i : i + 1]) for i in range(len(scores))] or [scores])


def limit_of_newest(rows: Floats, limit: Floats) -> Floats:
    """(n,) how high the next score may be for the mean to stay within ``limit``; never below the limit itself."""
    points = rows.shape[1] - 1
    rows = rows.copy()
    seen = rows[:, 0].astype(np.int64)
    rows[np.arange(len(rows)), 1 + seen % points] = 0.0  # the one that will be forgotten
    return np.asarray(np.maximum(limit * np.minimum(seen + 1, points) - rows[:, 1:].sum(axis=1), limit))
