"""Compare the last three quarters of a period with the same part of every past period, for one feature.

A period (by default a day) is divided into at most 24 slots by the clock, so neither gaps nor uneven sampling move the
phase; a slot holds the mean of its values. At the end of a slot the score is the smallest root mean square difference
between the last 18 slots and the same slots of one of the last 56 periods.

It counts only while the gate is open: ``1 - median|y_t - y_(t-P)| / median|y_t - y_(t-P/2)|`` over the last 28 periods
above 0.7, that is, while yesterday demonstrably predicts today. (Autocorrelation at the period is a bad gate: shifts
and drift also raise it.)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.detectors.novelty.bit_packing import get, put, state_width
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate

SLOTS = 24
PERIODS = 56  # compared with, besides the current one: eight weeks, so that holidays are compared with each other
_GATE_PERIODS = 28  # used for the gate
_SHARE = 0.75  # of a period that is compared
MIN_SLOTS = 8  # a period with fewer shows no shape
OPEN = 0.7
FLOOR = 0.01
_BITS = 12
_STEP = 24.0 / 4094.0  # of a stored mean: y from -12 to 12 in codes 1 to 4095, 0 = none
_CAPACITY = SLOTS * (PERIODS + 1)
_KNOWN = 0.75  # share of the slots that both sides must hold
GATE, EXPECTED, TYPICAL = MOMENTS, MOMENTS + 1, MOMENTS + 2  # indices of values for the explanation
_SLOT, _SUM, _COUNT, _DONE = MOMENTS + 3, MOMENTS + 4, MOMENTS + 5, MOMENTS + 6
_RING = MOMENTS + 7
STATE_WIDTH = _RING + state_width(_CAPACITY, _BITS)


@njit(cache=True)  # type: ignore[untyped-decorator]
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
    last = int(row[at + _SLOT])
    ring = slots * (PERIODS + 1)
    z = 0.0
    if slot != last and row[at + _COUNT] > 0 and row[at + _DONE] == 0:
        z = _finish(row, at, last, slots)
    if slot > last:
        for passed in range(max(last + 1, slot - ring + 1), slot + 1):
            put(row, at + _RING, passed % ring, _BITS, 0)
        row[at + _SLOT], row[at + _SUM], row[at + _COUNT], row[at + _DONE] = float(slot), 0.0, 0.0, 0.0
    row[at + _SUM] += min(max(y, -11.9), 11.9)
    row[at + _COUNT] += 1.0
    if row[at + _COUNT] >= points and row[at + _DONE] == 0:
        z = max(z, _finish(row, at, slot, slots))
        row[at + _DONE] = 1.0
    return z


@njit(cache=True)  # type: ignore[untyped-decorator]
def _mean(row: Floats, at: int, slot: int, ring: int) -> float:
    code = get(row, at + _RING, slot % ring, _BITS)
    return np.nan if code == 0 else (code - 1) * _STEP - 12.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _finish(row: Floats, at: int, slot: int, slots: int) -> float:
    """Store the slot's mean, compare, calibrate."""
    ring = slots * (PERIODS + 1)
    mean = row[at + _SUM] / row[at + _COUNT]
    put(row, at + _RING, slot % ring, _BITS, 1 + round((mean + 12.0) / _STEP))
    if slot % max(slots // 4, 1) == 0:
        _update_gate(row, at, slot, slots)
    length = int(_SHARE * slots)
    best = np.inf
    for periods in range(1, PERIODS + 1):
        total, known = 0.0, 0
        for k in range(length):
            apart = _mean(row, at, slot - k, ring) - _mean(row, at, slot - k - periods * slots, ring)
            if not np.isnan(apart):
                total += apart * apart
                known += 1
        if known >= _KNOWN * length and np.sqrt(total / known) < best:
            best = np.sqrt(total / known)
            expected = _mean(row, at, slot - periods * slots, ring)
            row[at + EXPECTED] = mean if np.isnan(expected) else expected
    if best == np.inf:
        return 0.0
    z = deviate(row, at, best, FLOOR)
    add(row, at, best)
    return float(z) if row[at + GATE] > OPEN else 0.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _update_gate(row: Floats, at: int, slot: int, slots: int) -> None:
    """Update the gate: how much better the value a period ago predicts than the value half a period ago."""
    ring = slots * (PERIODS + 1)
    reach = slots * (_GATE_PERIODS + 1)
    whole, half = np.empty(reach), np.empty(reach)
    n = m = 0
    for k in range(reach):
        now = _mean(row, at, slot - k, ring)
        if k + slots < reach:
            apart = abs(now - _mean(row, at, slot - k - slots, ring))
            if not np.isnan(apart):
                whole[n] = apart
                n += 1
        if k + slots // 2 < reach:
            apart = abs(now - _mean(row, at, slot - k - slots // 2, ring))
            if not np.isnan(apart):
                half[m] = apart
                m += 1
    row[at + GATE] = 0.0
    if n >= slots and m >= slots:
        typical, opposite = np.sort(whole[:n])[n // 2], np.sort(half[:m])[m // 2]
        row[at + TYPICAL] = typical
        if opposite > 0:
            row[at + GATE] = 1.0 - typical / opposite
