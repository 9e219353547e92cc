"""Compare the last three quarters of a period with the same part of every past period, for one feature.

At the end of a slot (see :mod:`eddy.models.detectors.novelty.slot_means`) the score is the smallest root mean square
difference between the last 18 slots and the same slots of one of the last 56 periods.

It counts only while the gate is open: ``1 - median|y_t - y_(t-P)| / median|y_t - y_(t-P/2)|`` over the last 28 periods
above 0.7, that is, while yesterday demonstrably predicts today. (Autocorrelation at the period is a bad gate: shifts
and drift also raise it.)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Row
from eddy.models.detectors.novelty import slot_means
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate, moment_bounds
from eddy.models.detectors.novelty.slot_means import cut_short, distance, fill, last_slot

SLOTS = slot_means.SLOTS
PERIODS = 56  # compared with, besides the current one: eight weeks, so that holidays are compared with each other
MIN_SLOTS = 8  # a period with fewer shows no shape
OPEN = 0.7
FLOOR = 0.01
_SLOTS_AT = MOMENTS
GATE, EXPECTED, TYPICAL = (_SLOTS_AT + k for k in (slot_means.GATE, slot_means.EXPECTED, slot_means.TYPICAL))
STATE_WIDTH = _SLOTS_AT + slot_means.width(PERIODS)


def bounds() -> Bounds:
    """Return what the state may be."""
    return Row(moment_bounds(), slot_means.bounds(PERIODS))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step(row: Floats, at: int, y: float, ts: int, slot_ms: float, slots: int, points: int) -> float:
    """Return the deviate of the segment that ends with value ``y``; 0 inside a slot and while the gate is closed.

    Args:
        row: state of one series.
        at: index at which this kernel's state begins.
        y: the value.
        ts: its time, epoch ms.
        slot_ms: length of a slot.
        slots: slots in a period, MIN_SLOTS to SLOTS.
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
    z = deviate(row, at, apart, FLOOR)
    add(row, at, apart)
    return float(z) if row[at + GATE] > OPEN else 0.0
