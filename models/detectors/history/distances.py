"""Compare the newest points of a series with every earlier segment of the same length, from scratch.

Most lags are compared on a few spread points only: the sum of squares of any of the points, their mean removed, is a
lower bound for that of all. :mod:`eddy.models.detectors.history.running_sums` does the same at consecutive points.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats

KNOWN = 0.75  # share of a segment that has to be present on both sides
_PIECE = 32  # values compared between two checks whether the comparison can still win
_STAGE = 16  # spread points between two such checks of a group of lags
_GROUP = 64  # lags compared together
_FEW = 8  # a group with fewer than a _FEW-th of its lags left: these are compared one by one
_ROUNDING = 1e-12  # of a sum of squares: a lower bound that is higher by less does not rule a lag out


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})  # type: ignore[untyped-decorator]
def _sums(past: Floats, begin: int, end: int, back: int, origin: float) -> tuple[float, float, int]:
    """Return sum of squares, sum and number of the known differences of ``past[begin:end]`` and ``back`` earlier."""
    total, shift, known = 0.0, 0.0, 0
    for i in range(begin, end):
        d = past[i] - past[i - back] - origin
        there = not np.isnan(d)
        d = d if there else 0.0
        total += d * d
        shift += d
        known += there
    return total, shift, known


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def apart(past: Floats, back: int, length: int, centred: bool, worst: float) -> float:
    """Return the mean square difference of the last ``length`` values and those ``back`` earlier; inf above ``worst``.

    ``centred`` first removes the difference of the means. Both sums only grow with each value, so most comparisons end
    after a few values.
    """
    total, shift, known, squares, origin = 0.0, 0.0, 0, 0.0, 0.0
    end = len(past)
    if centred:  # about one of the differences: no digits are lost where all of them are large and alike
        for i in range(end - 1, end - 1 - length, -1):
            origin = past[i] - past[i - back]
            if not np.isnan(origin):
                break
        if np.isnan(origin):
            return np.inf
    for begin in range(end - length, end, _PIECE):
        more, moved, count = _sums(past, begin, min(begin + _PIECE, end), back, origin)
        total += more
        shift += moved
        known += count
        squares = total - shift * shift / max(known, 1) if centred else total
        if squares > worst * length:
            return np.inf
    if known < KNOWN * length:
        return np.inf
    return squares / known


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def nearest(past: Floats, length: int, likely: int) -> tuple[float, int]:
    """Return the smallest mean square difference, means removed, of the last ``length`` values to an earlier segment.

    Also returns how far back that segment lies; inf and 0 if there is none. ``likely`` is compared first, or 0.
    """
    best, at = np.inf, 0
    if length <= likely <= len(past) - length:
        best, at = apart(past, likely, length, True, np.inf), likely
    newest_first = past[::-1].copy()
    clean = not np.isnan(newest_first).any()
    total, shift, known, origin = np.empty(_GROUP), np.empty(_GROUP), np.empty(_GROUP), np.empty(_GROUP)
    for first in range(length, len(past) - length + 1, _GROUP):
        lags = min(_GROUP, len(past) - length + 1 - first)
        left = _compared(newest_first, first, lags, length, best, clean, total, shift, known, origin)
        if left == 0:
            continue
        for k in range(lags):
            squares = total[k] - shift[k] * shift[k] / max(known[k], 1.0)
            if squares - _ROUNDING * total[k] > best * length:
                continue
            if left * _FEW < lags:
                found = apart(past, first + k, length, True, best)
            else:  # all of the points were compared
                found = squares / known[k] if known[k] >= KNOWN * length else np.inf
            if found < best:
                best, at = found, first + k
    return best, at


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _compared(
    newest_first: Floats, first: int, lags: int, length: int, best: float, clean: bool,
    total: Floats, shift: Floats, known: Floats, origin: Floats,
) -> int:  # fmt: skip
    """Compare spread points at ``lags`` lags from ``first`` on until few lags can win; return how many still can.

    Args:
        clean: nothing is missing.
        total, shift, known: (_GROUP,) get sum of squares, sum and number of the known differences of each lag, less
            its first known difference, ``origin`` (_GROUP,).
    """
    total[:lags], shift[:lags], known[:lags] = 0.0, 0.0, 0.0
    for k in range(lags):
        origin[k] = newest_first[0] - newest_first[first + k]
    step = max(length // _STAGE, 1)
    left = lags
    for offset in range(step):
        if clean:
            known[:lags] += _add_clean(newest_first, first, lags, offset, length, step, origin, total, shift)
        else:
            _add_known(newest_first, first, lags, offset, length, step, origin, total, shift, known)
        if best == np.inf:
            continue
        left = 0
        limit = best * length
        for k in range(lags):
            squares = total[k] - shift[k] * shift[k] / max(known[k], 1.0)
            left += squares - _ROUNDING * total[k] <= limit
        if left * _FEW < lags:
            break
    return left


@njit(cache=True, error_model="numpy")
def _add_clean(newest_first, first, lags, offset, length, step, origin, total, shift):  # type: ignore[no-untyped-def]
    """Add every ``step``-th point from ``offset`` on to the sums, four at a time; return how many."""
    i, count = offset, 0
    while i + 3 * step < length:
        v0, v1, v2, v3 = (
            newest_first[i], newest_first[i + step], newest_first[i + 2 * step], newest_first[i + 3 * step]
        )  # fmt: skip
        at = i + first
        then0, then1 = newest_first[at : at + lags], newest_first[at + step : at + step + lags]
        then2, then3 = newest_first[at + 2 * step :], newest_first[at + 3 * step :]
        for k in range(lags):
            d0, d1 = v0 - then0[k] - origin[k], v1 - then1[k] - origin[k]
            d2, d3 = v2 - then2[k] - origin[k], v3 - then3[k] - origin[k]
            total[k] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
            shift[k] += (d0 + d1) + (d2 + d3)
        i += 4 * step
        count += 4
    while i < length:
        value, then = newest_first[i], newest_first[i + first :]
        for k in range(lags):
            d = value - then[k] - origin[k]
            total[k] += d * d
            shift[k] += d
        i += step
        count += 1
    return count


@njit(cache=True, error_model="numpy")
def _add_known(newest_first, first, lags, offset, length, step, origin, total, shift, known):  # type: ignore[no-untyped-def]
    """Do as :func:`_add_clean` where values are missing; a lag's first known difference becomes its origin."""
    for i in range(offset, length, step):
        value, then = newest_first[i], newest_first[i + first :]
        if np.isnan(value):
            continue
        for k in range(lags):
            d = value - then[k]
            origin[k] = d if np.isnan(origin[k]) else origin[k]
            d -= origin[k]
            there = not np.isnan(d)
            d = d if there else 0.0
            total[k] += d * d
            shift[k] += d
            known[k] += 1.0 if there else 0.0
