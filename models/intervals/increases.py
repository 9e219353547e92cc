"""Compute the increase of counters over an interval as Prometheus' ``increase()`` does.

Samples are sorted by time and of equal times the first counts, as Prometheus takes them. A value below the one before
is a reset: the counter began again at 0. The increase between the first and the last sample is extended to the whole
interval (``extrapolatedRate`` in ``promql/functions.go``, version 2.42): up to its ends where a sample is near them,
else by half of the usual distance of samples, and never below the moment at which the counter was 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.models.core.detector import Floats, Ints

_COMPACT = 65_536  # samples at which those between are first left out


class Samples(NamedTuple):
    """Hold (n,) samples: of which sketch-like number each is (row and column), its time and value."""

    owners: Ints
    ts: Ints
    values: Floats
    weights: NDArray[np.int64]

    def take(self, kept: NDArray[np.bool_]) -> Samples:
        """Return some of them."""
        return Samples(self.owners[kept], self.ts[kept], self.values[kept], self.weights[kept])


class SampleLog:
    """Hold the samples of all counters of one interval; bounded: what lies between two others and resets nothing goes.

    A sample that is left out still counts for the usual distance of samples.
    """

    def __init__(self, samples: Samples | None = None) -> None:
        self._parts: list[Samples] = [] if samples is None else [samples]
        self._count = 0 if samples is None else len(samples.ts)
        self._limit = max(_COMPACT, 2 * self._count)

    def add(self, owners: Ints, ts: Ints, values: Floats) -> None:
        """Add (n,) samples; none is NaN."""
        self._parts.append(Samples(owners, ts, values, np.ones(len(ts), np.int64)))
        self._count += len(ts)
        if self._count > self._limit:
            found = self.samples()
            kept = _needed(found.owners, found.ts, found.values, found.weights)
            self._parts = [found.take(kept)]
            self._count = int(kept.sum())
            self._limit = max(_COMPACT, 2 * self._count)

    def samples(self) -> Samples:
        """Return the samples by owner and time, of equal times the first."""
        if not self._parts:
            empty = np.zeros(0, np.int64)
            return Samples(empty, empty, np.zeros(0), empty)
        owners = np.concatenate([part.owners for part in self._parts])
        ts = np.concatenate([part.ts for part in self._parts])
        values = np.concatenate([part.values for part in self._parts])
        weights = np.concatenate([part.weights for part in self._parts])
        order = np.lexsort((ts, owners))
        found = Samples(owners[order], ts[order], values[order], weights[order])
        first = np.ones(len(ts), np.bool_)
        first[1:] = (found.owners[1:] != found.owners[:-1]) | (found.ts[1:] != found.ts[:-1])
        if not first.all():
            found = found.take(first)
        self._parts = [found]
        self._count = len(found.ts)
        return found


def increases(samples: Samples, owners: Ints, start: int, end: int, seconds: float = 1.0) -> Floats:
    """Return (n,) the increase of each owner's counter over an interval; NaN with fewer than two samples.

    Args:
        samples: as :meth:`SampleLog.samples` sorts them.
        owners: (n,) whose increase is asked for.
        start, end: of the interval, epoch ms.
        seconds: of the interval, for the rate in place of the increase.
    """
    found = np.full(len(owners), np.nan)
    starts, ends = np.searchsorted(samples.owners, owners), np.searchsorted(samples.owners, owners, side="right")
    _increases(samples.ts, samples.values, samples.weights, starts, ends, start, end, seconds, found)
    return found


@njit(cache=True)
def _increases(ts, values, weights, starts, ends, range_start, range_end, seconds, found):  # type: ignore[no-untyped-def]
    for i in range(len(starts)):
        first, last = starts[i], ends[i] - 1
        if last <= first:
            continue
        result = values[last] - values[first]
        count = np.int64(0)
        for at in range(first, last + 1):
            count += weights[at]
            if at > first and values[at] < values[at - 1]:
                result += values[at - 1]
        to_start, to_end = (ts[first] - range_start) / 1000.0, (range_end - ts[last]) / 1000.0
        sampled = (ts[last] - ts[first]) / 1000.0
        usual = sampled / (count - 1)
        if result > 0 and values[first] >= 0:
            to_zero = sampled * (values[first] / result)
            to_start = min(to_start, to_zero)
        threshold = usual * 1.1
        extended = sampled
        extended += to_start if to_start < threshold else usual / 2.0
        extended += to_end if to_end < threshold else usual / 2.0
        found[i] = result * (extended / sampled / seconds)


@njit(cache=True)
def _needed(owners, ts, values, weights):  # type: ignore[no-untyped-def]
    """Mark the first and last sample of each owner and those beside a reset; their weights take over the others'."""
    n = len(ts)
    kept = np.ones(n, np.bool_)
    before = 0
    for i in range(n):
        first = i == 0 or owners[i] != owners[i - 1]
        last = i == n - 1 or owners[i + 1] != owners[i]
        reset = (not first and values[i] < values[i - 1]) or (not last and values[i + 1] < values[i])
        if first or last or reset:
            before = i
        else:
            kept[i] = False
            weights[before] += weights[i]
    return kept
