"""Detect that rare values have become common, by the novelty of the mean surprise of recent values, for one feature.

The surprise of a value is ``-ln p(value)`` under the histogram of all values before it; its mean over the last 96
points is the cross-entropy of the recent distribution against the past one (as in Wang et al. 2011, "Statistical
Techniques for Online Anomaly Detection in Data Centers", without the entropy term). It rises when rare values become
frequent and falls when ordinary ones do: a change of the *rate* of events, where no single value is new. The score is
how far that mean lies from all means of the past that share no point with it, calibrated on maxima of blocks.

Fails if the distribution drifts all the time (each segment is as new as the one before) and for changes much shorter
than the window.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Packed, Row, count
from eddy.models.detectors.novelty.bit_packing import get, nearest_set, put, state_width
from eddy.models.detectors.novelty.online_calibration import BLOCK_MAXIMA, add_to_block, block_bounds, deviate
from eddy.models.detectors.novelty.value import REACH

UNUSUAL = "values that are rare otherwise come often"
WINDOW = 96  # points averaged; 72 to 144 score the same
BLOCK = 2 * WINDOW
_BIN = 0.1
_BINS = 241
_COUNT_BITS = 24
_SURPRISE_BITS = 12
_PER_NAT = 240.0  # resolution of a stored surprise
_LEVEL = 0.02  # grid of the mean surprise, nats
_LEVELS = 855  # up to 17 nats, the maximum that 24-bit counts can give
FLOOR = 0.02
_HISTOGRAM = BLOCK_MAXIMA + 1
_RECENT = _HISTOGRAM + state_width(_BINS, _COUNT_BITS)
_MEANS = _RECENT + state_width(WINDOW, _SURPRISE_BITS)
_SEEN = _MEANS + state_width(WINDOW, _SURPRISE_BITS)
STATE_WIDTH = _SEEN + state_width(_LEVELS, 1)
_MAX_COUNT = 2**_COUNT_BITS - 1


def bounds() -> Bounds:
    """Return what the state may be."""
    return Row(
        block_bounds(BLOCK),
        count(),
        Packed(_BINS, _COUNT_BITS),
        Packed(WINDOW, _SURPRISE_BITS),
        Packed(WINDOW, _SURPRISE_BITS, most=_LEVELS),  # a level plus 1, which later is a cell of the last part
        Packed(_LEVELS, 1),
    )


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step(row: Floats, at: int, y: float) -> float:
    """Return the deviate of the mean surprise after value ``y``; 0 until two windows are full."""
    count = int(row[at + BLOCK_MAXIMA])
    surprise = _surprise(row, at + _HISTOGRAM, y, count)
    place = count % WINDOW
    code = min(round(surprise * _PER_NAT), 2**_SURPRISE_BITS - 1)
    put(row, at + _RECENT, place, _SURPRISE_BITS, code)
    row[at + BLOCK_MAXIMA] = count + 1.0
    if count + 1 < WINDOW:
        return 0.0
    total = 0
    for k in range(WINDOW):
        total += get(row, at + _RECENT, k, _SURPRISE_BITS)
    level = min(round(total / (WINDOW * _PER_NAT * _LEVEL)), _LEVELS - 1)
    earlier = get(row, at + _MEANS, place, _SURPRISE_BITS)  # 0: none yet, else the level plus 1, a window ago
    put(row, at + _MEANS, place, _SURPRISE_BITS, level + 1)
    if earlier > 0:
        put(row, at + _SEEN, earlier - 1, 1, 1)
    nearest = nearest_set(row, at + _SEEN, _LEVELS, level)
    if nearest < 0:
        return 0.0
    distance = abs(level - nearest) * _LEVEL
    z = deviate(row, at, distance, FLOOR)
    add_to_block(row, at, distance, BLOCK)
    return float(z)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _surprise(row: Floats, at: int, y: float, count: int) -> float:
    """Return -ln of the share of earlier values within 0.15 of ``y`` (unseen: half a count), then count ``y``."""
    middle = round((min(max(y, -REACH), REACH) + REACH) / _BIN)
    near = 0
    for cell in range(max(middle - 1, 0), min(middle + 2, _BINS)):
        near += get(row, at, cell, _COUNT_BITS)
    put(row, at, middle, _COUNT_BITS, min(get(row, at, middle, _COUNT_BITS) + 1, _MAX_COUNT))
    return float(-np.log((near / 3.0 + 0.5) / (count + 1.0)))
