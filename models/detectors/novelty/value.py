"""Score how far a value lies from every value seen before, on a logarithmic scale, for one feature.

State: expanding moments of the distance, and a bitmap of the values seen, on a grid of 0.01 from -12 to 12.
"""

from __future__ import annotations

from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Packed, Row
from eddy.models.detectors.novelty.bit_packing import nearest_set, put, state_width
from eddy.models.detectors.novelty.online_calibration import MOMENTS, add, deviate, moment_bounds

REACH = 12.0  # largest |y|: 160,000 scales from the median; farther values share the last cell
GRID = 0.01
CELLS = 2401
FLOOR = 0.003  # about the rounding error of the grid: a third of a cell
STATE_WIDTH = MOMENTS + state_width(CELLS, 1)
UNUSUAL = "such a value has not come before"


def bounds() -> Bounds:
    """Return what the state may be."""
    return Row(moment_bounds(), Packed(CELLS, 1))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def cell_of(y: float) -> int:
    """Return the grid cell of a value."""
    return round((min(max(y, -REACH), REACH) + REACH) / GRID)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def step(row: Floats, at: int, y: float) -> tuple[float, float]:
    """Return (deviate, nearest value seen before) of value ``y``, then store ``y``."""
    cell = cell_of(y)
    nearest = nearest_set(row, at + MOMENTS, CELLS, cell)
    if nearest < 0:
        nearest = cell
    distance = abs(cell - nearest) * GRID
    z = deviate(row, at, distance, FLOOR)
    add(row, at, distance)
    put(row, at + MOMENTS, cell, 1, 1)
    return z, nearest * GRID - REACH
