"""Raise one alert per event: keep the score of a new maximum of the last hundred points, set the others to 0.

After a score that was kept, at or above ``reference``, the next one has to be ``ESCALATION`` times as high; otherwise a
rising event would raise an alert at each of its steps. Works on one row of state, compiled by numba.
"""

from __future__ import annotations

from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Numbers, Row, count

BLOCKS = 10  # the past is counted in blocks, to keep the state small: 91 to 100 points
BLOCK_POINTS = 10
ESCALATION = 2.0
STATE_WIDTH = BLOCKS + 1  # a maximum per block, and the number of points seen


def bounds() -> Bounds:
    """Return what the filter's state may be."""
    return Row(Numbers(BLOCKS), count(BLOCKS * BLOCK_POINTS - 1))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def peak(row: Floats, at: int, score: float, reference: float) -> float:
    """Return ``score`` if it stands out among the recent ones, else 0; store it."""
    seen = int(row[at + BLOCKS])
    block = at + (seen // BLOCK_POINTS) % BLOCKS
    if seen % BLOCK_POINTS == 0:
        row[block] = 0.0
    limit = 0.0
    for k in range(BLOCKS):
        limit = max(limit, row[at + k])
    kept = score > limit
    row[block] = max(row[block], score * ESCALATION if kept and score >= reference else score)
    row[at + BLOCKS] = float((seen + 1) % (BLOCKS * BLOCK_POINTS))
    return score if kept else 0.0
