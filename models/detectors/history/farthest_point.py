"""Find the point of the newest segment that lies farthest from the most similar segment of the past.

Called for alerts only, so each possible segment is compared in full.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints
from eddy.models.detectors.history.kernel import push

_KNOWN = 0.75  # share of a segment that has to be present on both sides


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _apart(past: Floats, length: int, back: int, centred: bool) -> float:
    """Return the mean square difference of the newest segment from the one ``back`` earlier, means removed or not."""
    total, shift, known = 0.0, 0.0, 0
    for i in range(len(past) - length, len(past)):
        d = past[i] - past[i - back]
        if not np.isnan(d):
            total += d * d
            shift += d
            known += 1
    if known < _KNOWN * length:
        return np.inf
    shift = shift / known if centred else 0.0
    return total / known - shift * shift


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def farthest_points(
    state: Floats, newest: Floats, length: int, step: int, centred: bool
) -> tuple[Ints, Floats, Floats]:
    """Return (n,) points ago, (n, F) values there, (n, F) values expected there: those of the most similar segment.

    Args:
        state: (n, size) rings as :func:`eddy.models.detectors.history.kernel.ring_step` keeps them; not changed.
        newest: (n, F) scaled newest values.
        length: points of a segment.
        step: points from one segment of the past to the next.
        centred: compare with means removed.
    """
    n, features = newest.shape
    ago, values, expected = np.zeros(n, np.int64), np.full((n, features), np.nan), np.full((n, features), np.nan)
    size = (state.shape[1] - 1) // features
    nearest, shifts = np.zeros(features, np.int64), np.zeros(features)
    for i in range(n):
        row = state[i].copy()
        count = int(row[0])
        most = -1.0
        for f in range(features):
            past = push(row[2 + f * size : 1 + (f + 1) * size], count, newest[i, f])
            nearest[f], shifts[f] = 0, 0.0
            best = np.inf
            for back in range(length, len(past) - length + 1, step):
                apart = _apart(past, length, back, centred)
                if apart < best:
                    best, nearest[f] = apart, back
            if nearest[f] > 0 and centred:  # the median, which most points agree on: an anomaly moves the mean
                shifts[f] = np.nanmedian(past[-length:] - past[-length - nearest[f] : len(past) - nearest[f]])
            if nearest[f] == 0 or np.isnan(newest[i, f]) or best <= most:
                continue
            most, largest = best, -1.0
            for k in range(length):
                at = len(past) - 1 - k
                off = abs(past[at] - past[at - nearest[f]] - shifts[f])
                if off > largest:
                    largest, ago[i] = off, k
        for f in range(features):
            ring = row[2 + f * size : 1 + (f + 1) * size]
            past = push(ring, count, newest[i, f])
            at = len(past) - 1 - ago[i]
            values[i, f] = past[at]
            if nearest[f] > 0:
                expected[i, f] = past[at - nearest[f]] + shifts[f]
    return ago, values, expected
