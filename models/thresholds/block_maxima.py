"""What the highest block maxima of a series' past say of a score: how often one as high comes, how far beyond it is.

The excesses of the maxima over the lowest one kept are taken for exponential: the tail of block maxima of all usual
distributions with finite moments (Coles 2001, An introduction to statistical modeling of extreme values, chapter 3).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats

_LONGEST = 10.0  # times the past that a return period may be


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def excess_of(maxima: Floats) -> float:
    """Mean distance of (n,) maxima, in descending order, from the lowest one: the scale of their tail."""
    total = 0.0
    for k in range(len(maxima)):
        total += maxima[k] - maxima[-1]
    return float(total / max(len(maxima) - 1, 1))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def level_of(maxima: Floats, rank: float) -> float:
    """Score that so many of the past's blocks exceed, from (n,) maxima, at least one; below rank 1 by their tail."""
    held = len(maxima)
    if rank >= 1.0:
        at = min(int(rank), held)
        here = maxima[at - 1]
        if at < int(rank) or at == held:
            return float(here)
        return float(here + (rank - int(rank)) * (maxima[at] - here))
    return float(maxima[0] + excess_of(maxima) * np.log(1.0 / rank))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def put(maxima: Floats, held: int, highest: float) -> int:
    """Sort a block's maximum into the ``held`` first of all places; returns how many are held then."""
    if held < len(maxima):
        at = held
        held += 1
    elif highest > maxima[-1]:
        at = held - 1
    else:
        return held
    while at > 0 and maxima[at - 1] < highest:
        maxima[at] = maxima[at - 1]
        at -= 1
    maxima[at] = highest
    return held


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def return_period(maxima: Floats, past: float, score: float) -> float:
    """Seconds after which a block of normal times has such a score again; at most ten times the past.

    Args:
        maxima: (n,) in descending order, at least one.
        past: seconds that they are of.
        score: in the same units.
    """
    if score > maxima[0]:
        excess = excess_of(maxima)
        longer = np.exp(min((score - maxima[0]) / excess, 10.0)) if excess > 0.0 else _LONGEST
        return float(past * min(longer, _LONGEST))
    above = 1
    while above < len(maxima) and maxima[above] >= score:
        above += 1
    return float(past / above)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def beyond_past(maxima: Floats, score: float) -> float:
    """Return how far a score lies above the highest maximum, in scales of the maxima's tail."""
    apart, scale = score - maxima[0], excess_of(maxima)
    if scale > 0.0:
        return float(apart / scale)
    return np.inf if apart > 0.0 else 0.0
