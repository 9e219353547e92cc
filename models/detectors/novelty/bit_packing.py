"""Pack small whole numbers into the float64 values of a state vector.

One float64 holds 48 bits as a whole number, so it survives everything that keeps float64 values (JSON, Arrow,
pickling). Bit patterns read through a view would not: some of them are NaN, and NaN payloads may change on the way. All
functions are compiled by numba and work in place on one row of state.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats

BITS_PER_WORD = 48


def state_width(cells: int, bits: int) -> int:
    """Return the number of float64 values that ``cells`` numbers of ``bits`` bits each take; ``bits`` divides 48."""
    per = BITS_PER_WORD // bits
    return -(-cells // per)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def get(row: Floats, at: int, cell: int, bits: int) -> int:
    """Read cell number ``cell`` of the packed array that starts at index ``at``."""
    per = BITS_PER_WORD // bits
    return int((np.int64(row[at + cell // per]) >> ((cell % per) * bits)) & ((1 << bits) - 1))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def put(row: Floats, at: int, cell: int, bits: int, value: int) -> None:
    """Write one cell; ``value`` must fit into ``bits`` bits."""
    per = BITS_PER_WORD // bits
    shift = (cell % per) * bits
    packed = np.int64(row[at + cell // per])
    row[at + cell // per] = float((packed & ~(((1 << bits) - 1) << shift)) | (np.int64(value) << shift))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def nearest_set(row: Floats, at: int, cells: int, cell: int) -> int:
    """Return the set cell of a packed bitmap that is nearest to ``cell``, the lower one on a tie; -1 if none is set."""
    for reach in range(cells):
        left, right = cell - reach, cell + reach
        if left < 0 and right >= cells:
            return -1
        if left >= 0 and get(row, at, left, 1):
            return left
        if right < cells and get(row, at, right, 1):
            return right
    return -1
