"""The last three quarters of a day against the same part of every past day, believed only where days are alike.

As :mod:`eddy.models.detectors.novelty.season`, with another calibration. Its deviates from mean and variance of all
past distances, in use from the third day on, made 53 to 85 % of all false alerts on strongly daily KPIs: the first
weekend is unlike the days before it. Here a distance counts

- from :data:`FEWEST_BLOCKS` days on, against the **largest** distances of those days (weekends are then known), or
- before, from a week on, only where the last day predicts the next nearly exactly (a gate of :data:`EXACT`): a
  machine's schedule, and then by :data:`EXACT_LIMIT` deviates from all distances.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Row
from eddy.models.detectors.novelty import slot_means
from eddy.models.detectors.novelty.online_calibration import (
    BLOCK_MAXIMA,
    MOMENTS,
    add,
    add_to_block,
    block_bounds,
    deviate,
    moment_bounds,
)
from eddy.models.detectors.novelty.slot_means import cut_short, distance, fill, last_slot

SLOTS = slot_means.SLOTS
PERIODS = 35  # compared with, besides the current one: five weeks
FEWEST_BLOCKS = 28
OPEN = 0.7
EXACT = 0.98
EXACT_BLOCKS = 7  # a week: else the first weekend would be the first day that is unlike the others
EXACT_LIMIT = 3.0
FLOOR = 0.01
_BLOCKS = MOMENTS
_SLOTS_AT = MOMENTS + BLOCK_MAXIMA
GATE, EXPECTED, TYPICAL = (_SLOTS_AT + k for k in (slot_means.GATE, slot_means.EXPECTED, slot_means.TYPICAL))
STATE_WIDTH = _SLOTS_AT + slot_means.width(PERIODS)


def bounds() -> Bounds:
    """Return what the state may be."""
    return Row(moment_bounds(), block_bounds(SLOTS), slot_means.bounds(PERIODS))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step(row: Floats, at: int, y: float, ts: int, slot_ms: float, slots: int, points: int) -> float:
    """Return the deviate of the run of points that ends with value ``y``; 0 inside a slot and while it is not believed.

    Args:
        row: state of one series.
        at: first word of this kernel's state.
        y: the value, scaled.
        ts: its time, epoch ms.
        slot_ms: length of a slot.
        slots: slots in a period, at most SLOTS.
        points: values that complete a slot; a slot cut short by a gap ends with the next slot's first value.
    """
    slot = int(ts // slot_ms)
    z = 0.0
    if cut_short(row, at + _SLOTS_AT, slot):
        z = _finish(row, at, last_slot(row, at + _SLOTS_AT), slots)
    if fill(row, at + _SLOTS_AT, y, slot, slots * (PERIODS + 1), points):
        z = max(z, _finish(row, at, slot, slots))
    return z


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _finish(row: Floats, at: int, slot: int, slots: int) -> float:
    """Compare the slot, calibrate."""
    apart = distance(row, at + _SLOTS_AT, slot, slots, PERIODS)
    if apart == np.inf:
        return 0.0
    exact = deviate(row, at, apart, FLOOR)
    steady = deviate(row, at + _BLOCKS, apart, FLOOR)
    blocks = row[at + _BLOCKS]
    add(row, at, apart)
    add_to_block(row, at + _BLOCKS, apart, slots)
    if row[at + GATE] >= EXACT and blocks >= EXACT_BLOCKS and exact > EXACT_LIMIT:
        return float(exact)
    return float(steady) if row[at + GATE] > OPEN and blocks >= FEWEST_BLOCKS else 0.0
