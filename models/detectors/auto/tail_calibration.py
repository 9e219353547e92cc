"""How rare a score is among its own past: a histogram of logarithms, and a Pareto tail beyond what it can show.

The surprise of a score is ``-log10 p``, p being the share of earlier scores at least as high. Up to the highest
:data:`TAIL_SHARE` of the past (at least :data:`TAIL_SCORES` scores) p is counted; beyond, the excesses of the
logarithms over the tail's lower edge are taken for exponential (Hill 1975), with a prior worth :data:`PRIOR_SCORES`
scores, so that a short past neither makes everything new infinitely rare nor nothing. Unlike mean and variance this
needs no shape of the distribution, and one extreme score does not hide those that follow.

Every score teaches, alarms included: what keeps coming is not rare. After :data:`MOST` scores all counts are halved,
so that the past is forgotten slowly and the counts stay small. Kernels for one row of state, compiled by numba.

Fails where scores drift upwards: each new one is then rarer than it should be.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats
from eddy.models.core.state_bounds import Bounds, Packed
from eddy.models.detectors.novelty.bit_packing import get, put, state_width

BINS = 48
STEP = 0.27  # natural logarithm: a bin spans 31 % of a score
LOWEST = -1.0  # natural logarithm of the score from which bins are told apart; the last bin begins at 118,000
FEWEST = 30  # scores before anything is called rare
TAIL_SCORES = 10
TAIL_SHARE = 0.002
PRIOR_SCORES = 2.0
PRIOR_EXCESS = 0.14 / STEP  # bins
MIN_EXCESS = 0.042 / STEP  # bins: a steeper tail is not believed
MOST = 65_000
_BITS = 16
_RAREST = 12.0  # decades: p below is not told apart
STATE_WIDTH = state_width(BINS, _BITS)


def bounds() -> Bounds:
    """Return what a histogram may be."""
    return Packed(BINS, _BITS)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def place_of(score: float) -> float:
    """Position of a score on the axis of bins; bin 0 holds everything below 1."""
    return float((np.log(score) - LOWEST) / STEP + 1.0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def tail(row: Floats, at: int, seen: float) -> tuple[int, float, float]:
    """(first bin of the tail, scores in it, mean excess in bins) of the histogram at word ``at``."""
    wanted = max(float(TAIL_SCORES), TAIL_SHARE * seen)
    count, total = 0.0, 0.0
    bin_ = BINS - 1
    while bin_ > 0:
        here = get(row, at, bin_, _BITS)
        if count + here >= wanted:
            break
        count += here
        total += here * (bin_ + 0.5)
        bin_ -= 1
    edge = bin_ + 1
    excess = (total - count * edge + PRIOR_SCORES * PRIOR_EXCESS) / (count + PRIOR_SCORES)
    return edge, count, max(excess, MIN_EXCESS)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def surprise(row: Floats, at: int, seen: float, score: float) -> float:
    """-log10 of the share of the ``seen`` earlier scores that are at least as high; 0 while too few are known."""
    if seen < FEWEST or score <= 0.0:
        return 0.0
    edge, count, excess = tail(row, at, seen)
    place = place_of(score)
    if place >= edge:
        share = (count + 0.5) / (seen + 1.0) * np.exp(-(place - edge) / excess)
        return float(min(-np.log10(max(share, 1e-300)), _RAREST))
    if place < 0.0:
        return 0.0
    bin_ = int(place)
    above = count
    for higher in range(bin_ + 1, edge):
        above += get(row, at, higher, _BITS)
    above += get(row, at, bin_, _BITS) * (bin_ + 1 - place)
    return float(max(-np.log10((above + 0.5) / (seen + 1.0)), 0.0))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def score_at(row: Floats, at: int, seen: float, wanted: float) -> float:
    """The score whose surprise is ``wanted``, at least the tail's lower edge; NaN: too few seen."""
    if seen < FEWEST:
        return np.nan
    edge, count, excess = tail(row, at, seen)
    at_edge = -np.log10((count + 0.5) / (seen + 1.0))
    place = edge + max(wanted - at_edge, 0.0) * np.log(10.0) * excess
    return float(np.exp(min((place - 1.0) * STEP + LOWEST, 300.0)))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add(row: Floats, at: int, score: float) -> None:
    """Count one more score."""
    bin_ = 0
    if score > 0.0:
        bin_ = min(max(int(place_of(score)), 0), BINS - 1)
    put(row, at, bin_, _BITS, min(get(row, at, bin_, _BITS) + 1, 2**_BITS - 1))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def halve(row: Floats, at: int) -> float:
    """Halve all counts, none of them to nothing; returns how many scores are left."""
    left = 0.0
    for bin_ in range(BINS):
        half = (get(row, at, bin_, _BITS) + 1) // 2
        put(row, at, bin_, _BITS, half)
        left += half
    return left
