"""Compare the last three quarters of a period with the same part of every past period: state and distances.

A period (by default a day) is divided into at most :data:`SLOTS` slots by the clock, so neither gaps nor uneven
sampling move the phase; a slot holds the mean of its values. What a distance is worth is for the caller to say:
:mod:`eddy.models.detectors.novelty.season` and :mod:`eddy.models.detectors.auto.steady_season` calibrate differently.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import MOST, Bounds, Numbers, Packed, Row, count, one_of
from eddy.models.detectors.novelty.bit_packing import get, put, state_width

SLOTS = 24
GATE, EXPECTED, TYPICAL = 0, 1, 2  # offsets of values that callers read
_SLOT, _SUM, _COUNT, _DONE = 3, 4, 5, 6
_RING = 7
_GATE_PERIODS = 28  # used for the gate
_SHARE = 0.75  # of a period that is compared
_KNOWN = 0.75  # share of the slots that both sides must hold
_BITS = 12
_STEP = 24.0 / 4094.0  # of a stored mean: y from -12 to 12 in codes 1 to 4095, 0 = none
_MAX_Y = 11.9


def width(periods: int) -> int:
    """Return the state size where ``periods`` periods are compared with, besides the current one."""
    return _RING + state_width(SLOTS * (periods + 1), _BITS)


def bounds(periods: int) -> Bounds:
    """Return what the state may be."""
    return Row(Numbers(3), one_of(-MOST, MOST), Numbers(), count(), count(1), Packed(SLOTS * (periods + 1), _BITS))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def cut_short(row: Floats, at: int, slot: int) -> bool:
    """Say whether the last slot ended, with the first value of ``slot``, before it was complete."""
    return bool(slot != row[at + _SLOT] and row[at + _COUNT] > 0 and row[at + _DONE] == 0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fill(row: Floats, at: int, y: float, slot: int, ring: int, points: int) -> bool:
    """Add value ``y`` to its slot; return whether the slot is complete with it.

    Args:
        row: state of one series.
        at: first word of the slots' state.
        y: the value, scaled.
        slot: its slot, counted since the epoch; a later one than the last empties the slots in between.
        ring: slots kept.
        points: values that complete a slot.
    """
    last = int(row[at + _SLOT])
    if slot > last:
        for passed in range(max(last + 1, slot - ring + 1), slot + 1):
            put(row, at + _RING, passed % ring, _BITS, 0)
        row[at + _SLOT], row[at + _SUM], row[at + _COUNT], row[at + _DONE] = float(slot), 0.0, 0.0, 0.0
    row[at + _SUM] += min(max(y, -_MAX_Y), _MAX_Y)
    row[at + _COUNT] += 1.0
    if row[at + _COUNT] >= points and row[at + _DONE] == 0:
        row[at + _DONE] = 1.0
        return True
    return False


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def last_slot(row: Floats, at: int) -> int:
    """Return the slot that was filled last."""
    return int(row[at + _SLOT])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def distance(row: Floats, at: int, slot: int, slots: int, periods: int) -> float:
    """Store a filled slot's mean; return how far its run of slots is from the nearest one; inf while none is known.

    Args:
        row: state of one series; its gate and what was expected are brought up to date.
        at: first word of the slots' state.
        slot: the slot, counted since the epoch.
        slots: slots in a period.
        periods: past periods compared with.

    Returns:
        The smallest root mean square difference from the same slots of a past period.
    """
    ring = slots * (periods + 1)
    mean = row[at + _SUM] / row[at + _COUNT]
    put(row, at + _RING, slot % ring, _BITS, 1 + round((mean + 12.0) / _STEP))
    if slot % max(slots // 4, 1) == 0:
        _update_gate(row, at, slot, slots, ring)
    length = int(_SHARE * slots)
    now = np.empty(length)
    for k in range(length):
        now[k] = _mean(row, at, slot - k, ring)
    best = np.inf
    for back in range(1, periods + 1):
        total, known = 0.0, 0
        for k in range(length):
            apart = now[k] - _mean(row, at, slot - k - back * slots, ring)
            if not np.isnan(apart):
                total += apart * apart
                known += 1
        if known >= _KNOWN * length and np.sqrt(total / known) < best:
            best = np.sqrt(total / known)
            expected = _mean(row, at, slot - back * slots, ring)
            row[at + EXPECTED] = mean if np.isnan(expected) else expected
    return best


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _mean(row: Floats, at: int, slot: int, ring: int) -> float:
    code = get(row, at + _RING, slot % ring, _BITS)
    return np.nan if code == 0 else (code - 1) * _STEP - 12.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _update_gate(row: Floats, at: int, slot: int, slots: int, ring: int) -> None:
    """Update the gate: how much better the value a period ago predicts than the value half a period ago."""
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
