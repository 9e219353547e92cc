"""Run one step of online dynamic mode decomposition per series: predict the newest point, score it, learn from it.

Let h (d·F) be the past d points of F features, scaled. The batch operator predicts C h. Each series adds a correction D
[Uᵀh, 1] of its own in r reduced coordinates, updated by recursive least squares with forgetting (Zhang, Rowley, Deem,
Cattafesta 2019, equations 26 to 29 with weighting: P is the inverse of the weighted covariance of the coordinates).

A row of state: number of points learned from, centre and spread of each feature, squared error of each, D, P (upper
triangle).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.state_bounds import MOST, Bounds, Each, Either, Numbers, Row, one_of, scale, size

_CLIP = 4.0  # deviations: larger errors are clipped before learning, so that an anomaly is not learned as normal
_MIN_KNOWN = 0.5  # share of the past that has to be present
_MIN_ERROR = 0.02  # scales of the series: smallest usual error, for a perfectly predictable series
_MAX_TRACE = 1e6  # of P: without it, forgetting lets P of a constant series grow without end
_MIN_SPREAD = 1e-3  # of a constant series at 0, in its own units


def state_width(features: int, rank: int) -> int:
    """Return the state size of a series."""
    return 1 + 3 * features + features * (rank + 1) + (rank + 1) * (rank + 2) // 2


def bounds(features: int, rank: int) -> Bounds:
    """Return what the state may be: not begun, or with a scale of each feature."""
    rest = state_width(features, rank) - 1
    learned = Numbers(rest - 3 * features)
    running = Row(one_of(1, MOST), Numbers(features), Each(scale(), features), size(features), learned)
    return Either(Row(one_of(0), Numbers(rest)), running)


@njit(cache=True, error_model="numpy")
def _begin(row, window, scale, error, inverse):  # type: ignore[no-untyped-def]
    """Initialise the state of a new series: its scale comes from training or, if that is NaN, from its first window."""
    features, size = window.shape[1], inverse.shape[0]
    row[:] = 0.0
    for f in range(features):
        centre, spread = scale[f, 0], scale[f, 1]
        if np.isnan(spread):
            centre, spread = _own_scale(window[:, f])
        row[1 + f], row[1 + features + f] = centre, spread
        row[1 + 2 * features + f] = error[f] * error[f]
    at = 1 + 3 * features + features * size
    for i in range(size):
        for j in range(i, size):
            row[at] = inverse[i, j]
            at += 1


@njit(cache=True, error_model="numpy")
def _own_scale(values):  # type: ignore[no-untyped-def]
    """Return (median, scale from the 5th to the 95th percentile) of the values present; (0, 1) if there are none."""
    ordered = np.sort(values[~np.isnan(values)])
    n = len(ordered)
    if n == 0:
        return 0.0, 1.0
    centre, spread = ordered[n // 2], ordered[int(0.95 * (n - 1))] - ordered[int(0.05 * (n - 1))]
    if not spread > 0:
        spread = ordered[n - 1] - ordered[0]
    if not spread > 0:
        spread = max(abs(centre), _MIN_SPREAD)
    return centre, spread


@njit(cache=True, error_model="numpy")
def _past(row, window, past):  # type: ignore[no-untyped-def]
    """Fill ``past`` (d·F) with the scaled points before the newest, gaps held; return the known share."""
    points, features = window.shape
    known = 0
    for f in range(features):
        last = 0.0
        for i in range(points - 1):
            x = window[i, f]
            if not np.isnan(x):
                last = min(max((x - row[1 + f]) / row[1 + features + f], -1e6), 1e6)
                known += 1
            past[i * features + f] = last
    return known / ((points - 1) * features)


@njit(cache=True, error_model="numpy")
def step(row, window, scale, error, operator, basis, inverse, forgetting, each, expected):  # type: ignore[no-untyped-def]
    """Score the newest point of one window (W, F), the largest over its features; NaN if too little is known.

    Args:
        row: state, changed in place; initialised here if empty.
        window: (W, F) in the series' units.
        scale: (F, 2) location and scale from training, NaN for a series not seen there.
        error: (F,) usual one-step error, in scales.
        operator: (F, d·F) C; the newest point of the past last.
        basis: (r, d·F) Uᵀ.
        inverse: (r + 1, r + 1) P at the start.
        forgetting: weight of the past per point; 0: nothing is learned online.
        each: (F,) receives each feature's score.
        expected: (F, 2) receives prediction and usual error, in the series' units.
    """
    points, features = window.shape
    size = inverse.shape[0]
    if row[0] == 0.0:
        _begin(row, window, scale, error, inverse)
    past = np.empty((points - 1) * features)
    enough = _past(row, window, past) >= _MIN_KNOWN
    z = np.ones(size)
    for k in range(size - 1):
        z[k] = np.dot(basis[k], past)
    best = np.nan
    clipped = np.full(features, np.nan)
    at = 1 + 3 * features
    for f in range(features):
        each[f], expected[f, 0], expected[f, 1] = np.nan, np.nan, np.nan
        if not enough:
            continue
        centre, spread = row[1 + f], row[1 + features + f]
        usual = max(np.sqrt(row[1 + 2 * features + f]), _MIN_ERROR)
        predicted = np.dot(operator[f], past)
        for k in range(size):
            predicted += row[at + f * size + k] * z[k]
        expected[f, 0], expected[f, 1] = centre + spread * predicted, usual * spread
        newest = window[points - 1, f]
        if np.isnan(newest):
            continue
        apart = min(max((newest - centre) / spread, -1e6), 1e6) - predicted
        each[f] = abs(apart) / usual
        clipped[f] = min(max(apart, -_CLIP * usual), _CLIP * usual)
        if np.isnan(best) or each[f] > best:
            best = each[f]
    row[0] += 1.0
    if forgetting > 0 and not np.isnan(best):
        _learn(row, z, clipped, forgetting, features, size)
    return best


@njit(cache=True, error_model="numpy")
def _learn(row, z, errors, forgetting, features, size):  # type: ignore[no-untyped-def]
    """Update by recursive least squares with the errors (F,) of the point; NaN changes nothing of its feature."""
    at, head = 1 + 3 * features, 1 + 3 * features + features * size
    gain = np.zeros(size)
    place, trace = head, 0.0
    for i in range(size):
        trace += row[place]
        for j in range(i, size):
            gain[i] += row[place] * z[j]
            if j > i:
                gain[j] += row[place] * z[i]
            place += 1
    kept = forgetting if trace < _MAX_TRACE else 1.0
    scale = 1.0 / (kept + np.dot(z, gain))
    for f in range(features):
        if np.isnan(errors[f]):
            continue
        for k in range(size):
            row[at + f * size + k] += scale * gain[k] * errors[f]
        square = 1 + 2 * features + f
        row[square] = forgetting * row[square] + (1.0 - forgetting) * errors[f] * errors[f]
    place = head
    for i in range(size):
        for j in range(i, size):
            row[place] = (row[place] - scale * gain[i] * gain[j]) / kept
            place += 1


@njit(cache=True, error_model="numpy")
def rows(state, windows, scale, error, operator, basis, inverse, forgetting, each, expected):  # type: ignore[no-untyped-def]
    """Score one window each of n series: (n, state_width), (n, W, F), (n, F, 2), (n, F), …, (n, F), (n, F, 2)."""
    scores = np.empty(len(windows))
    for i in range(len(windows)):
        scores[i] = step(
            state[i], windows[i], scale[i], error[i], operator, basis, inverse, forgetting, each[i], expected[i]
        )
    return scores


@njit(cache=True, error_model="numpy")
def series(row, values, imputed, size, scale, error, operator, basis, inverse, forgetting):  # type: ignore[no-untyped-def]
    """Score n consecutive points (n, F) of one series; return (n,), NaN before the first window of ``size`` points and
    where a point was filled in, (n,).
    """
    scores = np.full(len(values), np.nan)
    each, expected = np.empty(values.shape[1]), np.empty((values.shape[1], 2))
    for t in range(size - 1, len(values)):
        if imputed[t]:
            continue
        if forgetting == 0:
            row[0] = 0.0
        window = values[t - size + 1 : t + 1]
        scores[t] = step(row, window, scale, error, operator, basis, inverse, forgetting, each, expected)
    return scores


__all__ = ["rows", "series", "state_width", "step"]
