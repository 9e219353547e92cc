"""How far a value lies from its recent past, seen by six short memories and calibrated by each one's own past.

Every member is a difference of two exponentially weighted averages of the values (one of them may be the value
itself), over its own usual size, and its :mod:`surprise <eddy.models.detectors.auto.tail_calibration>` says how rare
that is. What counts is the **mean** of the six surprises: a change that only one memory finds odd is mostly noise, one
that all find odd is an event. On operators' KPIs that mean has an F1 of 0.65 to 0.7 where the best single member has
0.6 (decision 070).

| member | compares | with the average over about |
| --- | --- | --- |
| 0 | the value | the value before |
| 1 | the value | 10 points |
| 2 | the value | 33 points |
| 3 | the value | 140 points, in standard deviations |
| 4 | the value | 700 points, in standard deviations |
| 5 | the average of 3 points | 33 points |

Fails on what is only odd in its shape, and on slow drifts, which every short memory follows.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Each, Numbers, Row, count, size
from eddy.models.detectors.auto import tail_calibration
from eddy.models.detectors.auto.tail_calibration import MOST, add, halve, score_at, surprise

MEMBERS = 6
_SLOW = np.array([1.0, 0.1, 0.03, 0.007, 0.0014, 0.03])  # weight of the newest value in the average
_SCALE = np.array([0.003, 0.003, 0.003, 0.007, 0.0014, 0.001])  # and in the usual size of the difference
_SQUARED = np.array([False, False, False, True, True, False])  # that size: root mean square, or mean
_FAST = 0.3  # of the last member's fast average
_CLIP = 5.0  # usual sizes: a larger difference teaches as if it were this
_FIRST = 20  # points before a difference counts
_EPS = 1e-9  # of the level: smaller differences are rounding
_LARGEST = 1e5  # of the tail calibration's range
_SMALLEST = 1e-300  # of a size: keeps a constant level of 0 from a division by 0
_MAX_SQUARED = 1e150  # a difference beyond it has no square

POINTS, SEEN, FAST, LEADER = range(4)
LEVEL = 4
SIZE = LEVEL + MEMBERS
RAW = SIZE + MEMBERS  # newest differences over their usual sizes
_HISTOGRAMS = RAW + MEMBERS
STATE_WIDTH = _HISTOGRAMS + MEMBERS * tail_calibration.STATE_WIDTH


def bounds() -> Bounds:
    """Return what the state may be."""
    return Row(
        count(), count(), Numbers(), count(MEMBERS - 1), Numbers(MEMBERS), size(2 * MEMBERS),
        Each(tail_calibration.bounds(), MEMBERS),
    )  # fmt: skip


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step(row: Floats, at: int, x: float) -> float:
    """Mean surprise of value ``x`` (any units), then remember it; 0 for the first points of a series.

    Words of the state from ``at`` on: points seen, scores in the histograms, the fast average, the member most
    surprised; levels, usual sizes and newest scores of the members; their histograms.
    """
    points = row[at + POINTS]
    row[at + POINTS] = points + 1.0
    if points == 0.0:
        row[at + FAST] = x
        for m in range(MEMBERS):
            row[at + LEVEL + m] = x
        return 0.0
    row[at + FAST] += max(_FAST, 1.0 / (points + 1.0)) * (x - row[at + FAST])
    total, most = 0.0, -1.0
    for m in range(MEMBERS):
        level = row[at + LEVEL + m]
        apart = abs((row[at + FAST] if m == MEMBERS - 1 else x) - level)
        size = np.sqrt(row[at + SIZE + m]) if _SQUARED[m] else row[at + SIZE + m]
        raw = 0.0
        if points > _FIRST and apart > _EPS * abs(level):
            raw = min(apart / (size + _EPS * abs(level) + _SMALLEST), _LARGEST)
        histogram = at + _HISTOGRAMS + m * tail_calibration.STATE_WIDTH
        rare = surprise(row, histogram, row[at + SEEN], raw)
        add(row, histogram, raw)
        row[at + RAW + m] = raw
        total += rare
        if rare > most:
            most = rare
            row[at + LEADER] = float(m)
        if points > _FIRST and size > 0.0:
            apart = min(apart, _CLIP * size)
        teaches = min(apart, _MAX_SQUARED) ** 2 if _SQUARED[m] else apart
        row[at + SIZE + m] += max(_SCALE[m], 1.0 / points) * (teaches - row[at + SIZE + m])
        weight = 1.0 if _SLOW[m] >= 1.0 else max(_SLOW[m], 1.0 / (points + 1.0))
        row[at + LEVEL + m] += weight * (x - level)
    row[at + SEEN] += 1.0
    if row[at + SEEN] >= MOST:
        left = 0.0
        for m in range(MEMBERS):
            left = halve(row, at + _HISTOGRAMS + m * tail_calibration.STATE_WIDTH)
        row[at + SEEN] = left
    return total / MEMBERS


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def band(row: Floats, at: int, member: int, wanted: float) -> tuple[float, float]:
    """(expected value, reach to either side at which the member's surprise would be ``wanted``); NaN: cannot say.

    For the last member, which compares an average, the reach is that of the value's own: what would move it so far.
    """
    size = np.sqrt(row[at + SIZE + member]) if _SQUARED[member] else row[at + SIZE + member]
    reach = score_at(row, at + _HISTOGRAMS + member * tail_calibration.STATE_WIDTH, row[at + SEEN], wanted)
    return row[at + LEVEL + member], reach * size


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def shift(row: Floats, at: int, by: float) -> None:
    """Move every level by ``by``: the series goes on from there."""
    row[at + POINTS] += 1.0
    row[at + FAST] += by
    for m in range(MEMBERS):
        row[at + LEVEL + m] += by
