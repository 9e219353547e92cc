"""Remember which event times of a series were released, so that an event sent again is a duplicate and not late.

Most series come at a regular interval: their times are kept as runs of equal steps, each of any length, the newest
:data:`RUNS` and one of a series. Where steps differ all the time, a run holds a time or two; such a series gets a ring
of its last :data:`RING` times instead, while the shard's :data:`RING_BYTES` last, and then one of :data:`SMALL_RING` in
the place of its runs. Of a ring only the newest times are saved, as many as there are runs. What is remembered is
exact: no other event is taken for a duplicate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddy.models.core.detector import Ints

RUNS = 12  # complete runs, beside the one that grows
RING = 2048  # times; 4 bytes each
RING_BYTES = 16 * 1024 * 1024  # of a shard: 2,048 series
SMALL_RING = 3 * RUNS
LINE = 16  # times side by side, 64 bytes: the next places of all rings lie together, so that they fit a cache
#: columns of a run, and further ones of the newest: number of the ring, number of the next complete run in the circle;
#: with a ring the count is that of the times written to it
START, STEP, COUNT, OWN_RING, HEAD = range(5)
LONGEST = np.iinfo(np.int32).max  # of steps and counts: half the bytes in the saved state
_LOW = 2**32 - 1
_AT_ONCE = 256  # rings given after one batch: 10 ms
_SHORT = 8  # times from which a usual step is known
NO_RING, _WANTED, SMALL = -1, -2, -3  # in place of a ring's number

Small = NDArray[np.int32]


class SeenTimes:
    """Keep the released times of one shard's series, by slot.

    Attributes:
        newest: (slots, 5) the run that grows; all that most events touch, side by side.
        runs: (slots, RUNS, 3) those before it, in a circle; count 0: none yet.
        asked: whether series are left that asked for a ring.
    """

    def __init__(self) -> None:
        self.newest = np.zeros((0, 5), np.int64)
        self.runs = np.zeros((0, RUNS, 3), np.int64)
        self._rings = np.zeros((RING // LINE, 0, LINE), np.uint32)  # [:, k]: ring k, the low bits of times
        self._free: list[int] = []
        self.asked = False

    def grow(self, more: int) -> None:
        """Make room for so many more slots."""
        self.newest = np.concatenate([self.newest, np.tile(np.array([0, 0, 0, NO_RING, 0]), (more, 1))])
        self.runs = np.concatenate([self.runs, np.zeros((more, RUNS, 3), np.int64)])

    def forget(self, slots: Ints) -> None:
        """Empty slots that are to be reused, each given once."""
        rings = self.newest[slots, OWN_RING]
        self._free += rings[rings >= 0].tolist()
        self.newest[slots] = 0, 0, 0, NO_RING, 0
        self.runs[slots] = 0

    def kernel(self) -> tuple[Any, ...]:
        """Return the arrays for :func:`note`, :func:`seen` and :func:`usual_step`."""
        return self.newest, self.runs, self._rings

    def give_rings(self, last: Ints, slots: Ints, ts: Ints) -> None:
        """Give rings to the series that asked for one, while memory lasts.

        Args:
            last: newest released time by slot.
            slots, ts: (n,) of what was released in this batch.
        """
        wanted = np.flatnonzero(self.newest[:, OWN_RING] == _WANTED)
        self.asked, wanted = len(wanted) > _AT_ONCE, wanted[:_AT_ONCE]
        size, most = self._rings.shape[1], RING_BYTES // self._rings.itemsize // RING
        more = max(min(max(len(wanted) - len(self._free), size // 2), most - size), 0)
        if len(wanted) > len(self._free) and more:
            self._free += range(size, size + more)
            self._rings = np.concatenate([self._rings, np.zeros((RING // LINE, more, LINE), np.uint32)], axis=1)
        for slot in wanted.tolist():
            runs = [self.newest[slot, :3], *self.runs[slot]]
            times = np.concatenate([start + step * np.arange(count)[-RING:] for start, step, count in runs])
            times = np.union1d(times, ts[slots == slot])
            times = times[times <= last[slot]]
            if self._free:
                ring, times = self._free.pop(), times[-RING:]
                at = np.arange(len(times))
                self._rings[at // LINE, ring, at % LINE] = times & _LOW
            else:
                ring, times = SMALL, times[-SMALL_RING:]
                self.runs[slot].reshape(-1)[: len(times)] = times
            self.newest[slot, COUNT], self.newest[slot, OWN_RING] = len(times), ring

    def _in_ring(self, slot: int, last: int) -> Ints:
        """Return the newest times of a ring, newest first, as many as there are runs."""
        written, ring = int(self.newest[slot, COUNT]), int(self.newest[slot, OWN_RING])
        at = written - 1 - np.arange(min(written, RUNS + 1))
        if ring == SMALL:
            own: Ints = self.runs[slot].reshape(-1)[at % SMALL_RING]
            return own
        at %= RING
        low = self._rings[at // LINE, ring, at % LINE].astype(np.int64)
        found: Ints = last - ((last - low) & _LOW)
        return found

    def saved(self, part: slice, last: Ints) -> dict[str, NDArray[Any]]:
        """Return arrays of some slots for keyed state: runs newest first, as many as the fullest slot has.

        Args:
            part: which slots.
            last: newest released times by slot.
        """
        newest, runs = self.newest[part], self.runs[part]
        order = (newest[:, HEAD, None] - 1 - np.arange(RUNS)) % RUNS
        runs = np.concatenate([newest[:, None, :3], runs[np.arange(len(runs))[:, None], order]], axis=1)
        for at in np.flatnonzero((newest[:, OWN_RING] >= 0) | (newest[:, OWN_RING] == SMALL)).tolist():
            times = self._in_ring(part.start + at, int(last[part.start + at]))
            runs[at] = 0
            runs[at, : len(times), START], runs[at, : len(times), COUNT] = times, 1
        runs = runs[:, : int((runs[:, :, COUNT] > 0).sum(axis=1).max(initial=1))]
        small = runs.astype(np.int32)
        return {"run_start": runs[:, :, START], "run_step": small[:, :, STEP], "run_count": small[:, :, COUNT]}

    def restore(self, part: slice, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back what :meth:`saved` gave."""
        runs = np.stack([arrays[name].astype(np.int64) for name in ("run_start", "run_step", "run_count")], axis=2)
        self.newest[part, :3], self.newest[part, HEAD] = runs[:, 0], 0
        self.runs[part] = 0
        self.runs[part, RUNS - np.arange(1, runs.shape[1])] = runs[:, 1:]

    def restore_distances(self, part: slice, last: Ints, recent: NDArray[np.uint32]) -> None:
        """Take over state of earlier versions: (n, 8) distances of the last released times before ``last``."""
        distances = np.hstack([recent[:, ::-1].astype(np.int64), np.zeros((len(last), 1), np.int64)])
        known = (last > np.iinfo(np.int64).min // 2)[:, None] & (distances < _LOW)
        at, k = np.nonzero(known)
        _note_all(part.start + at, last[at] - distances[at, k], *self.kernel())


@njit(cache=True)
def note(slot, t, newest, runs, rings):  # type: ignore[no-untyped-def]
    """Remember a released time; whether the series asks for a ring."""
    ring, n, wanted = newest[slot, OWN_RING], newest[slot, COUNT], False
    ahead = t - newest[slot, START] - newest[slot, STEP] * (n - 1)
    if ring >= 0:
        rings[n % RING // LINE, ring, n % LINE] = np.uint32(t & _LOW)
        newest[slot, COUNT] = n + 1
    elif ring == SMALL:
        runs[slot, n % SMALL_RING // 3, n % 3] = t
        newest[slot, COUNT] = n + 1
    elif n == 1 and 0 < ahead <= LONGEST:
        newest[slot, STEP] = ahead
        newest[slot, COUNT] = 2
    elif 1 < n < LONGEST and ahead == newest[slot, STEP]:
        newest[slot, COUNT] = n + 1
    else:
        if n > 0:
            k = newest[slot, HEAD]
            newest[slot, HEAD] = k + 1 if k + 1 < RUNS else 0
            if ring == NO_RING and runs[slot, k, COUNT] > 0:
                newest[slot, OWN_RING] = _WANTED
                wanted = True
            for column in range(3):
                runs[slot, k, column] = newest[slot, column]
        newest[slot, START], newest[slot, STEP], newest[slot, COUNT] = t, 0, 1
    return wanted


@njit(cache=True)
def _holds(run, t):  # type: ignore[no-untyped-def]
    after, n = t - run[START], run[COUNT]
    return n > 0 and (after == 0 or (n > 1 and 0 < after <= run[STEP] * (n - 1) and after % run[STEP] == 0))


@njit(cache=True)
def seen(slot, t, last, newest, runs, rings):  # type: ignore[no-untyped-def]
    """Tell whether a time was released, ``last`` being the newest one that was."""
    ring = newest[slot, OWN_RING]
    if ring >= 0:
        low = np.uint32(t & _LOW)
        for k in range(min(newest[slot, COUNT], RING)):
            if rings[k // LINE, ring, k % LINE] == low:
                return last - t <= _LOW
        return False
    if ring == SMALL:
        held = min(newest[slot, COUNT], SMALL_RING)
        return bool(np.any(runs[slot].reshape(-1)[:held] == t))
    for k in range(RUNS):
        if _holds(runs[slot, k], t):
            return True
    return _holds(newest[slot], t)


@njit(cache=True)
def usual_step(slot, newest, runs, rings):  # type: ignore[no-untyped-def]
    """Return the mean distance of the last released times, ms; 0 where there are too few to say."""
    ring, n = newest[slot, OWN_RING], newest[slot, COUNT]
    if ring >= 0:
        end, first = (n - 1) % RING, (n - _SHORT) % RING
        span = np.int64(rings[end // LINE, ring, end % LINE]) - np.int64(rings[first // LINE, ring, first % LINE])
        return (span & _LOW) // (_SHORT - 1)
    if ring == SMALL:
        end, first = (n - 1) % SMALL_RING, (n - _SHORT) % SMALL_RING
        return max((runs[slot, end // 3, end % 3] - runs[slot, first // 3, first % 3]) // (_SHORT - 1), 0)
    first, total = newest[slot, START], newest[slot, COUNT]
    end = first + newest[slot, STEP] * (total - 1)
    k = newest[slot, HEAD]
    for _ in range(RUNS):
        k = k - 1 if k > 0 else RUNS - 1
        if total >= _SHORT or runs[slot, k, COUNT] == 0:
            break
        first = runs[slot, k, START]
        total += runs[slot, k, COUNT]
    return max((end - first) // (total - 1), 0) if total >= _SHORT else 0


@njit(cache=True)
def _note_all(slots, times, newest, runs, rings):  # type: ignore[no-untyped-def]
    for i in range(len(slots)):
        note(slots[i], times[i], newest, runs, rings)
