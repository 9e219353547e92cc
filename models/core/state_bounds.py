"""Say what the numbers of a series' state may be, so that no row leads a compiled kernel outside its arrays.

Kernels take counts, phases and positions from a row and index with them, without a check at each access. A detector
therefore describes its rows once (:meth:`eddy.models.core.detector.Detector.state_bounds`), and every row that comes
from outside is compared with that: the rows in an artifact, and those that keyed state brings back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LARGEST = float(np.finfo(np.float64).max)
MOST = 2.0**53  # whole numbers above it are not exact in float64
WORD_BITS = 48  # of a packed word, see eddy.models.detectors.novelty.bit_packing


class Bounds(ABC):
    """What ``width`` consecutive numbers of a row may be."""

    width: int

    @abstractmethod
    def fits(self, rows: Floats) -> Bools:
        """Return (n,) whether each of (n, width) rows is within the bounds."""


@dataclass(frozen=True)
class Numbers(Bounds):
    """So many numbers with the same bounds.

    Attributes:
        width: how many.
        low, high: smallest and largest value, both allowed.
        whole: only whole numbers.
        missing: NaN is allowed, too.
    """

    width: int = 1
    low: float = -LARGEST
    high: float = LARGEST
    whole: bool = False
    missing: bool = False

    def fits(self, rows: Floats) -> Bools:
        inside = (rows >= self.low) & (rows <= self.high)
        if self.whole:
            inside &= rows == np.floor(rows)
        if self.missing:
            inside |= np.isnan(rows)
        return np.asarray(inside.all(axis=1))


@dataclass(frozen=True)
class Packed(Bounds):
    """Small whole numbers packed into words of 48 bits.

    Attributes:
        cells: how many.
        bits: of each; divides 48.
        most: largest value of a cell; 0: whatever the bits hold.
    """

    cells: int
    bits: int
    most: int = 0

    @property
    def width(self) -> int:  # type: ignore[override]
        """Return the number of words."""
        return -(-self.cells // (WORD_BITS // self.bits))

    def fits(self, rows: Floats) -> Bools:
        inside = Numbers(self.width, 0.0, 2.0**WORD_BITS - 1, whole=True).fits(rows)
        if self.most:
            words = np.where(inside[:, None], rows, 0.0).astype(np.int64)
            shifts = np.arange(0, WORD_BITS, self.bits)
            cells = (words[:, :, None] >> shifts) & ((1 << self.bits) - 1)
            inside &= (cells <= self.most).all(axis=(1, 2))
        return inside


class Row(Bounds):
    """Parts that follow one another."""

    def __init__(self, *parts: Bounds) -> None:
        self.parts = parts
        self.width = sum(part.width for part in parts)

    def fits(self, rows: Floats) -> Bools:
        inside, at = np.ones(len(rows), np.bool_), 0
        for part in self.parts:
            inside &= part.fits(rows[:, at : at + part.width])
            at += part.width
        return inside


class Each(Bounds):
    """The same part so many times, one after the other."""

    def __init__(self, part: Bounds, times: int) -> None:
        self.part, self.times = part, times
        self.width = part.width * times

    def fits(self, rows: Floats) -> Bools:
        if not self.width:
            return np.ones(len(rows), np.bool_)
        flat = np.ascontiguousarray(rows).reshape(len(rows) * self.times, self.part.width)
        return np.asarray(self.part.fits(flat).reshape(len(rows), self.times).all(axis=1))


class Either(Bounds):
    """One of several descriptions of the same numbers, such as those of each phase that a series can be in."""

    def __init__(self, *choices: Bounds) -> None:
        self.choices = choices
        self.width = choices[0].width

    def fits(self, rows: Floats) -> Bools:
        inside = np.zeros(len(rows), np.bool_)
        for choice in self.choices:
            inside |= choice.fits(rows)
        return inside


def count(most: float = MOST) -> Numbers:
    """Return the bounds of one whole number from 0 on."""
    return Numbers(1, 0.0, most, whole=True)


def one_of(low: float, high: float | None = None) -> Numbers:
    """Return the bounds of one whole number from ``low`` to ``high``; without ``high`` it is just that number."""
    return Numbers(1, low, low if high is None else high, whole=True)


def size(width: int = 1) -> Numbers:
    """Return the bounds of numbers that are not below 0."""
    return Numbers(width, 0.0)


def anything(width: int) -> Numbers:
    """Return the bounds of numbers of which nothing is known."""
    return Numbers(width, -np.inf, np.inf, missing=True)


def scale() -> Numbers:
    """Return the bounds of one number above 0, which may be divided by."""
    return Numbers(1, float(np.finfo(np.float64).tiny))
