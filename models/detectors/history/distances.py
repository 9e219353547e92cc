"""Compare the newest points of a series with earlier segments of the same length, at one point or at many.

At one point every lag is compared from scratch, most of them only on a few spread points: the sum of squares of any of
the points, their mean removed, is a lower bound for that of all. At consecutive points each lag keeps **running sums**,
so that a point costs the same whatever the length. A sum that loses its oldest term again and again would drift, and
lose all digits behind a huge value. Here nothing is ever subtracted: a window is the end of one block of points and the
beginning of the next, and both are sums that only grow (van Herk 1992). So both ways give equal distances, and a row of
state holds no sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints

KNOWN = 0.75  # share of a segment that has to be present on both sides
_PIECE = 32  # values compared between two checks whether the comparison can still win
_STAGE = 16  # spread points between two such checks of a group of lags
_GROUP = 64  # lags compared together
_FEW = 8  # a group with fewer than a _FEW-th of its lags left: these are compared one by one
_ROUNDING = 1e-12  # of a sum of squares: a lower bound that is higher by less does not rule a lag out
TILE = 64  # lags whose running sums are held at once: they fit into a core's cache
NONE = 1e300  # no distance


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


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def running(
    newest_first: Floats, start: int, stop: int, length: int, capacity: int, lag: int, step: int, lags: int,
    centred: bool, clean: bool, sums: Floats, out: Floats,
) -> None:  # fmt: skip
    """Write the mean square differences of the windows that end at points ``start`` to ``stop`` to earlier ones.

    Args:
        newest_first: (n,) consecutive values, the newest first; NaN where missing. Points count from the oldest.
        start, stop: the points, at most ``length`` of them.
        length: values of a window.
        capacity: values that count as past, the newest included.
        lag, step, lags: first lag, from one to the next, and how many, at most :data:`TILE`.
        centred: the difference of the means is removed.
        clean: nothing is missing.
        sums: (3, length + 1, TILE) for use here.
        out: (length, TILE) by point and lag; :data:`NONE` where too little is known.
    """
    newest = len(newest_first) - 1
    spreads, middles, knowns = sums[0], sums[1], sums[2]
    spread, middle, known = np.zeros(lags), np.zeros(lags), np.zeros(lags)
    spreads[length], middles[length], knowns[length] = 0.0, 0.0, 0.0
    for j in range(length - 1, 0, -1):  # the block before: sums from its end backwards
        _add(newest_first, newest - (start - length + j), length - j, lag, step, clean, spread, middle, known)
        for k in range(lags):
            spreads[j, k] = spread[k]
            middles[j, k] = middle[k]
        if not clean:
            knowns[j, :lags] = known
    spread[:], middle[:], known[:] = 0.0, 0.0, 0.0
    one = 1.0 / length
    for i in range(stop - start):
        at = start + i
        _add(newest_first, newest - at, i + 1, lag, step, clean, spread, middle, known)
        whole = min(at + 1, capacity) - length  # the longest lag at which a whole window lies
        there = min(lags, (whole - lag) // step + 1) if whole >= lag else 0
        own, earlier, before = out[i], spreads[i + 1], middles[i + 1]
        if clean and centred:
            both = (i + 1.0) * (length - i - 1.0) * one
            for k in range(there):
                moved = middle[k] - before[k]
                own[k] = (spread[k] + earlier[k] + moved * moved * both) * one
        else:
            for k in range(there):
                m, n = (i + 1.0, length - i - 1.0) if clean else (known[k], knowns[i + 1, k])
                number = max(m + n, 1.0)
                moved = middle[k] - before[k]
                squares = spread[k] + earlier[k] + moved * moved * m * n / number
                if not centred:
                    mean = (m * middle[k] + n * before[k]) / number
                    squares += number * mean * mean
                own[k] = squares / number if m + n >= KNOWN * length else NONE
        own[there:] = NONE


@njit(cache=True, error_model="numpy")
def _add(newest_first, at, number, lag, step, clean, spread, middle, known):  # type: ignore[no-untyped-def]
    """Add the differences of the value at ``at`` to those at each lag; ``number`` counts them where all are known."""
    oldest = len(newest_first) - 1
    if at > oldest or np.isnan(newest_first[at]) or oldest - at < lag:
        return
    begin, there = at + lag, min(len(spread), (oldest - at - lag) // step + 1)
    share = 1.0 / number if clean else 0.0
    if step == 1:
        _add_all(newest_first[at], newest_first[begin : begin + there], share, spread, middle, known)
    else:
        end = min(begin + there * step, oldest + 1)
        _add_all(newest_first[at], newest_first[begin:end:step], share, spread, middle, known)


@njit(cache=True, error_model="numpy")
def _add_all(value, then, share, spread, middle, known):  # type: ignore[no-untyped-def]
    """Update means and sums of squared deviations (Welford 1962); ``share`` is 1 / number, or 0: some are missing."""
    if share > 0.0:
        for k in range(len(then)):
            d = value - then[k]
            moved = d - middle[k]
            middle[k] += moved * share
            spread[k] += moved * (d - middle[k])
        return
    for k in range(len(then)):
        d = value - then[k]
        there = not np.isnan(d)
        number = known[k] + (1.0 if there else 0.0)
        moved = d - middle[k] if there else 0.0
        middle[k] += moved / max(number, 1.0)
        spread[k] += moved * (d - middle[k]) if there else 0.0
        known[k] = number


@njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz"})  # type: ignore[untyped-decorator]
def _smallest(values: Floats) -> float:
    best = NONE
    for k in range(len(values)):
        best = values[k] if values[k] < best else best
    return best


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def nearest_of_each(
    newest_first: Floats, start: int, length: int, capacity: int, clean: bool, best: Floats, at: Ints
) -> None:
    """Do as :func:`nearest` for each point from number ``start`` on, counted from the oldest.

    Args:
        newest_first, length, capacity, clean: as for :func:`running`.
        best, at: (n - start,) get distances, :data:`NONE` if there is none, and how far back.
    """
    n = len(newest_first)
    best[:], at[:] = NONE, 0
    sums, out = np.empty((3, length + 1, TILE)), np.empty((length, TILE))
    for begin in range(start, n, length):
        end = min(begin + length, n)
        longest = min(end, capacity) - length
        for lag in range(length, longest + 1, TILE):
            lags = min(TILE, longest + 1 - lag)
            running(newest_first, begin, end, length, capacity, lag, 1, lags, True, clean, sums, out)
            for i in range(end - begin):
                found = _smallest(out[i, :lags])
                if found < best[begin - start + i]:
                    best[begin - start + i] = found
                    for k in range(lags):
                        if out[i, k] == found:
                            at[begin - start + i] = lag + k
                            break


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def same_phase_of_each(newest_first: Floats, start: int, period: int, capacity: int, clean: bool, best: Floats) -> None:
    """Write the smallest mean square differences of the last period to those before it, at each point from ``start``.

    Args:
        newest_first, capacity, clean: as for :func:`running`; points count from the oldest.
        best: (n - start, nearest) gets them in order; :data:`NONE` where there are fewer.
    """
    n = len(newest_first)
    best[:] = NONE
    sums, out = np.empty((3, period + 1, TILE)), np.empty((period, TILE))
    for begin in range(start, n, period):
        end = min(begin + period, n)
        longest = min(end, capacity) - period
        for lag in range(period, longest + 1, TILE * period):
            lags = min(TILE, (longest - lag) // period + 1)
            running(newest_first, begin, end, period, capacity, lag, period, lags, False, clean, sums, out)
            for i in range(end - begin):
                _insert(out[i, :lags], best[begin - start + i])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _insert(values: Floats, best: Floats) -> None:
    """Keep the smallest values in ``best``, which is in order."""
    for k in range(len(values)):
        if values[k] < best[-1]:
            place = len(best) - 1
            while place > 0 and best[place - 1] > values[k]:
                best[place] = best[place - 1]
                place -= 1
            best[place] = values[k]
