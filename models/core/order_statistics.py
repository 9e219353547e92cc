"""Sort a few numbers fast, and take quantiles of many short windows at once, to the bit those of numpy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

FEW = 64  # numbers; up to here insertion is faster than a general sort, and one kernel faster than numpy's many steps


@njit(cache=True, nogil=True, error_model="numpy")
def sort_first(numbers, count):  # type: ignore[no-untyped-def]
    """Sort the first numbers in place: by insertion if they are few."""
    if count > FEW:
        numbers[:count] = np.sort(numbers[:count])
        return
    for k in range(1, count):
        v = numbers[k]
        at = k
        while at > 0 and numbers[at - 1] > v:
            numbers[at] = numbers[at - 1]
            at -= 1
        numbers[at] = v


def quantiles(values: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.float64]:
    """Return (shares, n, F) quantiles over the points of (n, W, F) windows; NaN is left out, and NaN where all are.

    Args:
        values: the windows.
        shares: from 0 to 1; between two points numpy's default interpolates.
    """
    if values.shape[1] <= FEW:
        found = np.full((len(shares), len(values), values.shape[2]), np.nan)
        _of_few(values, np.array(shares, float), found)
        return found
    if not np.isnan(values).any():
        return np.asarray(np.quantile(values, shares, axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of windows that are all NaN
        return np.asarray(np.nanquantile(values, shares, axis=1))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _of_few(values: Any, shares: Any, found: Any) -> None:
    n, window, features = values.shape
    ordered = np.empty(window)
    for i in range(n):
        for f in range(features):
            count = 0
            for k in range(window):
                if not np.isnan(values[i, k, f]):
                    ordered[count] = values[i, k, f]
                    count += 1
            if not count:
                continue
            sort_first(ordered, count)
            for s in range(len(shares)):
                place = (count - 1) * shares[s]
                low = int(place)
                a, b, t = ordered[low], ordered[min(low + 1, count - 1)], place - low
                found[s, i, f] = b - (b - a) * (1 - t) if t >= 0.5 else a + (b - a) * t
