"""Score one point of a multivariate series against the other features and its own runs, jumps, level and range.

State of a series, float64 values: rows seen, length of the current and of the longest run in which *no* feature
changed, then per feature ``FEATURE_WIDTH``: whether it was seen; lowest and highest value, lowest and highest median,
largest jump, each so far; width of the range before the first score; current and longest run of unchanged values; block
maxima (:mod:`eddy.models.detectors.novelty.online_calibration`) of prediction errors.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Each, Numbers, Row, count, size
from eddy.models.detectors.novelty.online_calibration import BLOCK_MAXIMA, add_to_block, block_bounds, deviate

ROWS, STILL, LONGEST_STILL, FEATURES_AT = 0, 1, 2, 3
SEEN, LOW, HIGH, LOW_MEDIAN, HIGH_MEDIAN, JUMP, WIDTH, RUN, LONGEST_RUN, RESIDUAL = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
FEATURE_WIDTH = RESIDUAL + BLOCK_MAXIMA

BLOCK = 60  # points: errors of neighbours are dependent, their maxima per block are not
_HIGHEST = 1e9  # deviate: no point is more unusual, whatever its size
_LARGEST_ERROR = 1e150  # an error beyond it has no square
_CAP = 3.0  # deviations beyond which an error no longer widens the usual range of errors
_STEADY = 20.0  # points: a feature that is constant for longer in normal times is not scored by its runs
_RUN_WORTH = 2.2  # deviate of a run twice as long as the longest before; it grows with the logarithm
RANGE_WORTH = 12.0  # deviate of leaving the range, or exceeding the largest jump, by one width of the range
_LEVEL_WORTH = 24.0  # the same for the median of the last points, which a single extreme value does not move
_SLOW = 0.002  # widths by which an anomalous point may extend the usual range
_SLOW_RUN = 0.25  # points by which an anomalous run extends the longest usual one


def state_width(features: int) -> int:
    """Return the length of the state."""
    return FEATURES_AT + features * FEATURE_WIDTH


def bounds(features: int) -> Bounds:
    """Return what the state may be."""
    each = Row(count(1), Numbers(4), size(2), count(), size(), block_bounds(BLOCK))
    return Row(count(), count(), size(), Each(each, features))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _usual(row: Floats, at: int, size: float, floor: float) -> float:
    """Return the deviate of an error's size, then store the size, at most ``_CAP`` deviations above the usual one."""
    size = min(size, _LARGEST_ERROR)
    z = deviate(row, at, size, floor)
    kept = size
    if row[at] >= 3.0:
        kept = min(size, row[at + 1] + _CAP * np.sqrt(row[at + 2] / (row[at] - 1.0) + floor * floor))
    add_to_block(row, at, kept, BLOCK)
    return float(z)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _run_deviate(run: float, longest: float) -> float:
    """Return the deviate of a run of unchanged values; 0 up to the longest before, and for features often constant."""
    if longest > _STEADY or run <= longest + 2.0:
        return 0.0
    return float(_RUN_WORTH * np.log2((run + 1.0) / (longest + 1.0)))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _longer(longest: float, run: float, anomalous: bool) -> float:
    """Return the longest run after one that ended: an anomalous one extends it only a little."""
    return max(longest, min(run, longest + _SLOW_RUN) if anomalous else run)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ends(row: Floats, low: int, high: int, x: float, step: float) -> None:
    """Extend a range to include x, by at most ``step``."""
    if x > row[high]:
        row[high] = min(x, row[high] + step)
    elif x < row[low]:
        row[low] = max(x, row[low] - step)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _feature(row: Floats, at: int, x: float, before: float, middle: float, predicted: float, floor: float,
             limit: float, scored: bool) -> float:  # fmt: skip
    """Return the largest deviate of one feature, and update its state with the value."""
    if row[at + SEEN] == 0.0:
        row[at + SEEN] = 1.0
        row[at + LOW] = row[at + HIGH] = x
        row[at + LOW_MEDIAN] = row[at + HIGH_MEDIAN] = middle if not np.isnan(middle) else x
    if x == before:
        row[at + RUN] += 1.0
    z = _run_deviate(row[at + RUN], row[at + LONGEST_RUN])
    if x != before:
        row[at + LONGEST_RUN] = _longer(row[at + LONGEST_RUN], row[at + RUN], z >= limit and scored)
        row[at + RUN] = 0.0
        z = 0.0
    if not np.isnan(predicted):
        z = max(z, _usual(row, at + RESIDUAL, abs(x - predicted), floor))
    width = max(row[at + WIDTH], floor)
    z = max(z, RANGE_WORTH * max(x - row[at + HIGH], row[at + LOW] - x) / width)
    jump = 0.0
    if not np.isnan(middle):
        jump = abs(x - middle)
        z = max(z, RANGE_WORTH * (jump - row[at + JUMP]) / width)
        z = max(z, _LEVEL_WORTH * max(middle - row[at + HIGH_MEDIAN], row[at + LOW_MEDIAN] - middle) / width)
    step = _SLOW * width if scored and z >= limit else np.inf
    row[at + JUMP] = max(row[at + JUMP], min(jump, row[at + JUMP] + step))
    _ends(row, at + LOW, at + HIGH, x, step)
    if not scored:
        row[at + WIDTH] = row[at + HIGH] - row[at + LOW]
    if not np.isnan(middle):
        _ends(row, at + LOW_MEDIAN, at + HIGH_MEDIAN, middle, step)
    return min(float(z), _HIGHEST)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def point(
    row: Floats, newest: Floats, before: Floats, middle: Floats, predicted: Floats, floor: Floats, start_up: int,
    limit: float, each: Floats,
) -> float:  # fmt: skip
    """Score one point by the largest deviate of any feature, and update the state with it.

    Args:
        row: state.
        newest, before: (F,) this point and the one before, NaN where missing.
        middle: (F,) median of the window before this point.
        predicted: (F,) predictions from the other features, NaN if there are none.
        floor: (F,) smaller errors and widths never count as unusual.
        start_up: rows before the first score.
        limit: deviate that counts as an alert.
        each: (F,) receives the largest deviate of each feature.
    """
    scored = row[ROWS] >= start_up
    row[ROWS] += 1.0
    best = 0.0
    changed = known = 0
    for f in range(len(newest)):
        each[f] = 0.0
        if np.isnan(newest[f]):
            continue
        known += 1
        changed += newest[f] != before[f]
        at = FEATURES_AT + f * FEATURE_WIDTH
        each[f] = _feature(row, at, newest[f], before[f], middle[f], predicted[f], floor[f], limit, scored)
        best = max(best, each[f])
    if known == 0:
        return float(np.nan)
    if changed == 0:
        row[STILL] += 1.0
        frozen = _run_deviate(row[STILL], row[LONGEST_STILL]) if len(newest) > 1 else 0.0
        if frozen > best:
            best = frozen
            each[:] = frozen
    else:
        ended = _run_deviate(row[STILL], row[LONGEST_STILL])
        row[LONGEST_STILL] = _longer(row[LONGEST_STILL], row[STILL], ended >= limit and scored)
        row[STILL] = 0.0
    return best if scored else 0.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def points(
    state: Floats, newest: Floats, before: Floats, middle: Floats, predicted: Floats, floor: Floats, start_up: int,
    limit: float, each: Floats,
) -> Floats:  # fmt: skip
    """Score (n, F) points: one for each row of the state, or all of one series if the state has one row."""
    out = np.empty(len(newest))
    for k in range(len(newest)):
        row = state[k if len(state) > 1 else 0]
        out[k] = point(row, newest[k], before[k], middle[k], predicted[k], floor, start_up, limit, each[k])
    return out
