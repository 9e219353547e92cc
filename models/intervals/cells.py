"""Keep sketches of many series in one sparse table of cells: percentiles (DDSketch) and distinct values (HyperLogLog).

A sketch is a row of 8,192 cells of which few are in use, so that a cell is an entry of a hash table, keyed by sketch
and number. What a series costs follows from its events: at most one entry for each (16 bytes, up to four times that
with the table's free places), and never more than the cells of a sketch.

Percentiles: the cell of a value is its logarithm, so that each cell spans values that differ by 2 %, and its middle is
within 1 % of all of them (C. Masson, J. E. Rim, H. K. Lee: DDSketch, PVLDB 12(12), 2019, section 2). Cells are in the
order of values: negative ones, zero (everything below 1.6e-9), positive ones; values above 2.6e26 share the last cell.

Distinct values: P. Flajolet et al.: HyperLogLog, AofA 2007, with the estimator of O. Ertl: New cardinality estimation
algorithms for HyperLogLog sketches, 2017 (algorithm 6), which needs no correction for few or many values; 4,096
registers, standard error 1.6 %.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.models.core.detector import Floats, Ints

CELL_BITS = 13
CELLS = 1 << CELL_BITS
ACCURACY = 0.01  # of percentiles: relative
ERROR = 0.01625  # of distinct values: relative standard error, 1.04 / sqrt(registers)
_GAMMA = math.log((1 + ACCURACY) / (1 - ACCURACY))
_ZERO, _LOWEST, _HIGHEST = CELLS // 2, -1023, 3071
_REGISTER_BITS, _HASH_BITS = 12, 53
_REGISTERS = 1 << _REGISTER_BITS
_RANKS = _HASH_BITS - _REGISTER_BITS
_FREE = -1
_SMALLEST = 1024  # entries of a new table


class Cells(NamedTuple):
    """Hold the entries in use: (n,) keys in ascending order, sketch times :data:`CELLS` plus cell, and their values."""

    keys: Ints
    values: Floats


class CellTable:
    """Hold the cells of all sketches of one interval."""

    def __init__(self, cells: Cells | None = None) -> None:
        self._keys = np.full(_SMALLEST, _FREE, np.int64)
        self._values = np.zeros(_SMALLEST)
        self._used = 0
        if cells is not None:
            self._grow(len(cells.keys))
            self._used = _add(self._keys, self._values, cells.keys, cells.values, False, self._used)

    def __len__(self) -> int:
        return self._used

    def count(self, sketches: Ints, values: Floats) -> None:
        """Add (n,) values to the percentile sketches with these numbers; none is NaN."""
        self._grow(len(values))
        keys = np.empty(len(values), np.int64)
        _cells_of(sketches, values, keys)
        self._used = _add(self._keys, self._values, keys, np.ones(len(keys)), False, self._used)

    def note(self, sketches: Ints, hashes: Floats) -> None:
        """Add (n,) hashes of 53 bits, as whole numbers, to the sketches of distinct values with these numbers."""
        self._grow(len(hashes))
        keys, ranks = np.empty(len(hashes), np.int64), np.empty(len(hashes))
        _registers_of(sketches, hashes, keys, ranks)
        self._used = _add(self._keys, self._values, keys, ranks, True, self._used)

    def cells(self) -> Cells:
        """Return all entries in use."""
        used = self._keys != _FREE
        order = np.argsort(self._keys[used], kind="stable")
        return Cells(self._keys[used][order], self._values[used][order])

    def _grow(self, more: int) -> None:
        size = len(self._keys)
        needed = 2 * (self._used + more)
        if needed <= size:
            return
        old = self.cells()
        while size < 2 * self._used + needed:
            size *= 2
        self._keys, self._values = np.full(size, _FREE, np.int64), np.zeros(size)
        self._used = _add(self._keys, self._values, old.keys, old.values, False, 0)


def quantiles(cells: Cells, sketches: Ints, quantile: float) -> Floats:
    """Return (n,) the values at rank ``floor(quantile * (count - 1))`` of sketches, within 1 %; NaN of empty ones."""
    found = np.full(len(sketches), np.nan)
    starts = np.searchsorted(cells.keys, sketches * CELLS)
    ends = np.searchsorted(cells.keys, (sketches + 1) * CELLS)
    _ranked(cells.keys, cells.values, starts, ends, quantile, found)
    return found


def distinct(cells: Cells, sketches: Ints) -> Floats:
    """Return (n,) the estimated number of distinct values of sketches, rounded to whole numbers; 0 of empty ones."""
    starts = np.searchsorted(cells.keys, sketches * CELLS)
    ends = np.searchsorted(cells.keys, (sketches + 1) * CELLS)
    found = np.zeros(len(sketches))
    _estimated(cells.values, starts, ends, found)
    return np.rint(found)


@njit(cache=True)
def _cells_of(sketches, values, keys):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        size = abs(values[i])
        cell = _ZERO
        if size > 0.0:
            at = _HIGHEST if size == np.inf else math.ceil(math.log(size) / _GAMMA)
            if at >= _LOWEST:
                offset = min(at, _HIGHEST) - _LOWEST + 1
                cell = _ZERO + offset if values[i] > 0 else _ZERO - offset
        keys[i] = sketches[i] * CELLS + cell


@njit(cache=True)
def _registers_of(sketches, hashes, keys, ranks):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        bits = np.int64(hashes[i])
        rest = bits & ((1 << _RANKS) - 1)
        rank = 1
        while rank <= _RANKS and not rest >> (_RANKS - rank) & 1:
            rank += 1
        keys[i] = sketches[i] * CELLS + (bits >> _RANKS)
        ranks[i] = rank


@njit(cache=True)
def _add(table, values, keys, amounts, largest, used):  # type: ignore[no-untyped-def]
    """Add to entries, or raise them; the table has room. Returns how many entries are in use."""
    mask = len(table) - 1
    for i in range(len(keys)):
        key = keys[i]
        at = ((key * -7046029254386353131) >> 20) & mask
        while table[at] != key and table[at] != _FREE:
            at = (at + 1) & mask
        if table[at] == _FREE:
            table[at] = key
            values[at] = amounts[i]
            used += 1
        elif largest:
            values[at] = max(values[at], amounts[i])
        else:
            values[at] += amounts[i]
    return used


@njit(cache=True)
def _ranked(keys, values, starts, ends, quantile, found):  # type: ignore[no-untyped-def]
    for i in range(len(starts)):
        total = 0.0
        for at in range(starts[i], ends[i]):
            total += values[at]
        if total == 0.0:
            continue
        rank = math.floor(quantile * (total - 1.0))
        below = 0.0
        for at in range(starts[i], ends[i]):
            below += values[at]
            if below > rank:
                offset = keys[at] % CELLS - _ZERO
                if offset == 0:
                    found[i] = 0.0
                else:
                    index = abs(offset) - 1 + _LOWEST
                    size = 2.0 * math.exp(index * _GAMMA) / (math.exp(_GAMMA) + 1.0)
                    found[i] = size if offset > 0 else -size
                break


@njit(cache=True)
def _estimated(values, starts, ends, found):  # type: ignore[no-untyped-def]
    counts = np.zeros(_RANKS + 2)
    for i in range(len(starts)):
        if starts[i] == ends[i]:
            continue
        counts[:] = 0.0
        for at in range(starts[i], ends[i]):
            counts[int(values[at])] += 1
        counts[0] = _REGISTERS - (ends[i] - starts[i])
        z = _REGISTERS * _tau(1.0 - counts[_RANKS + 1] / _REGISTERS)
        for rank in range(_RANKS, 0, -1):
            z = 0.5 * (z + counts[rank])
        z += _REGISTERS * _sigma(counts[0] / _REGISTERS)
        found[i] = _REGISTERS * _REGISTERS / (2.0 * math.log(2.0)) / z


@njit(cache=True)
def _sigma(x):  # type: ignore[no-untyped-def]
    if x == 1.0:
        return np.inf
    y, z = 1.0, x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


@njit(cache=True)
def _tau(x):  # type: ignore[no-untyped-def]
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1.0 - x
    while True:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
        if z == before:
            return z / 3.0


def sketch_numbers(rows: Ints, sketches: int, sketch: int) -> NDArray[np.int64]:
    """Return (n,) the numbers of a sketch of series: each row has so many."""
    return rows.astype(np.int64) * sketches + sketch
