"""Compare consecutive points of a series with earlier segments by sums that run along, so that length costs nothing.

A sum that loses its oldest term again and again would drift, and lose all digits behind a huge value. Here nothing is
ever subtracted: a window is the end of one block of points and the beginning of the next (van Herk 1992), and mean and
squared deviations of the two are merged. Distances equal those of :mod:`eddy.models.detectors.history.distances`, and a
row of state holds no sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints
from eddy.models.detectors.history.distances import KNOWN

TILE = 64  # lags whose running sums are held at once: they fit into a core's cache
NONE = 1e300  # no distance


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
