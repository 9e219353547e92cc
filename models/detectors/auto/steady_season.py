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
from eddy.models.detectors.novelty.bit_packing import get, put, state_width
from eddy.models.detectors.novelty.online_calibration import BLOCK_MAXIMA, MOMENTS, add, add_to_block, deviate

SLOTS = 24
PERIODS = 35  # compared with, besides the current one: five weeks
FEWEST_BLOCKS = 28
OPEN = 0.7
EXACT = 0.98
EXACT_BLOCKS = 7  # a week: else the first weekend would be the first day that is unlike the others
EXACT_LIMIT = 3.0
FLOOR = 0.01
_GATE_PERIODS = 28  # that the gate looks at
_SHARE = 0.75  # of a period that is compared
_KNOWN = 0.75  # share of the slots that both sides must hold
_BITS = 12
_STEP = 24.0 / 4094.0  # of a stored mean: y from -12 to 12 in codes 1 to 4095, 0 = none
_MAX_Y = 11.9
_BLOCKS = MOMENTS
GATE, EXPECTED, TYPICAL = (MOMENTS + BLOCK_MAXIMA + k for k in range(3))
_SLOT, _SUM, _COUNT, _DONE = (MOMENTS + BLOCK_MAXIMA + k for k in range(3, 7))
_RING = MOMENTS + BLOCK_MAXIMA + 7
STATE_WIDTH = _RING + state_width(SLOTS * (PERIODS + 1), _BITS)


@njit(cache=True)  # type: ignore[untyped-decorator]
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
    last = int(row[at + _SLOT])
    ring = slots * (PERIODS + 1)
    z = 0.0
    if slot != last and row[at + _COUNT] > 0 and row[at + _DONE] == 0:
        z = _finish(row, at, last, slots)
    if slot > last:
        for passed in range(max(last + 1, slot - ring + 1), slot + 1):
            put(row, at + _RING, passed % ring, _BITS, 0)
        row[at + _SLOT], row[at + _SUM], row[at + _COUNT], row[at + _DONE] = float(slot), 0.0, 0.0, 0.0
    row[at + _SUM] += min(max(y, -_MAX_Y), _MAX_Y)
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
    now = np.empty(length)
    for k in range(length):
        now[k] = _mean(row, at, slot - k, ring)
    best = np.inf
    for periods in range(1, PERIODS + 1):
        total, known = 0.0, 0
        for k in range(length):
            apart = now[k] - _mean(row, at, slot - k - periods * slots, ring)
            if not np.isnan(apart):
                total += apart * apart
                known += 1
        if known >= _KNOWN * length and np.sqrt(total / known) < best:
            best = np.sqrt(total / known)
            expected = _mean(row, at, slot - periods * slots, ring)
            row[at + EXPECTED] = mean if np.isnan(expected) else expected
    if best == np.inf:
        return 0.0
    exact = deviate(row, at, best, FLOOR)
    steady = deviate(row, at + _BLOCKS, best, FLOOR)
    blocks = row[at + _BLOCKS]
    add(row, at, best)
    add_to_block(row, at + _BLOCKS, best, slots)
    if row[at + GATE] >= EXACT and blocks >= EXACT_BLOCKS and exact > EXACT_LIMIT:
        return float(exact)
    return float(steady) if row[at + GATE] > OPEN and blocks >= FEWEST_BLOCKS else 0.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _update_gate(row: Floats, at: int, slot: int, slots: int) -> None:
    """How much better the value a period ago predicts than that of half a period ago."""
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
