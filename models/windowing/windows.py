"""Keep the last points of each series that a model scores, on the model's grid, with gaps filled by its policy.

The Flink job, offline evaluation and training use the same kernel, so a gap is filled alike everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Bools, Floats, Ints, Series, WindowSpec
from eddy.models.windowing.event_time import NEVER

_HOLD, _LINEAR, _BREAK = 0, 1, 2
MAX_OFF = 32  # so many more steps off the interval than on it: the series has another one
_POLICIES = {"hold": _HOLD, "linear": _LINEAR, "break": _BREAK}


@dataclass(frozen=True)
class Due:
    """Hold the windows that are due, in order of arrival.

    Attributes:
        windows: (n, W, F), oldest point first.
        imputed: (n, W).
        rows: (n,) rows of the store.
        events: (n,) index of the event that completed each window.
    """

    windows: Floats
    imputed: Bools
    rows: Ints
    events: Ints


class WindowStore:
    """Keep ring buffers of many series, one row each.

    Attributes:
        ring: (rows, W, F) values; ``head`` (rows,) is the position that the next point is written to.
        filled: (rows, W) 1 where a point was filled in.
        count: (rows,) points since the start or the last break, at most W.
        until_due: (rows,) points until the next window is due once the ring is full.
        last: (rows,) event time of the newest point.
        points: (rows,) points seen so far, without those filled in.
        off: (rows,) steps that are off the interval, too short ones twice, less those that fit, kept between 0 and
            :data:`MAX_OFF`.
        step: (rows,) the newest step that was off, ms.
    """

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        shape = (0, spec.window, len(spec.features))
        self.ring = np.zeros(shape)
        self.filled = np.zeros(shape[:2], np.uint8)
        self.head = np.zeros(0, np.int32)
        self.count = np.zeros(0, np.int32)
        self.until_due = np.zeros(0, np.int32)
        self.last = np.zeros(0, np.int64)
        self.points = np.zeros(0, np.int64)
        self.off = np.zeros(0, np.int16)  # not part of the state: counted anew after a restart
        self.step = np.zeros(0, np.int64)

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = size - len(self.head)
        if more <= 0:
            return
        more = max(more, len(self.head) // 2, 16)
        self.ring = np.concatenate([self.ring, np.full((more, *self.ring.shape[1:]), np.nan)])
        self.filled = np.concatenate([self.filled, np.zeros((more, self.spec.window), np.uint8)])
        self.head = np.concatenate([self.head, np.zeros(more, np.int32)])
        self.count = np.concatenate([self.count, np.zeros(more, np.int32)])
        self.until_due = np.concatenate([self.until_due, np.zeros(more, np.int32)])
        self.last = np.concatenate([self.last, np.full(more, NEVER)])
        self.points = np.concatenate([self.points, np.zeros(more, np.int64)])
        self.off = np.concatenate([self.off, np.zeros(more, np.int16)])
        self.step = np.concatenate([self.step, np.zeros(more, np.int64)])

    def clear(self, rows: Ints) -> None:
        """Empty rows that are to be reused."""
        self.ring[rows] = np.nan
        self.filled[rows] = 0
        self.head[rows] = self.count[rows] = self.until_due[rows] = self.points[rows] = self.off[rows] = 0
        self.last[rows] = NEVER

    def push(self, rows: Ints, ts: Ints, values: Floats) -> Due:
        """Append points, each series' in order of time, and return the windows that are due.

        Args:
            rows: (n,) row of each point.
            ts: (n,) event times, epoch ms, strictly increasing per row.
            values: (n, F) in the order of ``spec.features``; NaN = missing.
        """
        n, spec = len(rows), self.spec
        windows = np.empty((n, *self.ring.shape[1:]))
        imputed = np.empty((n, spec.window), np.uint8)
        events = np.empty(n, np.int64)
        due = _push(
            rows,
            ts,
            values,
            (self.ring, self.filled, self.head, self.count, self.until_due, self.last, self.points),
            (self.off, self.step),
            (spec.stride, spec.interval_ms, _POLICIES[spec.gap_policy], spec.max_gap),
            (windows, imputed, events),
        )
        events = events[:due]
        return Due(windows[:due], imputed[:due].view(np.bool_), rows[events], events)

    def copy(self, rows: Ints, other: WindowStore, of: Ints) -> None:
        """Take over rows of a store with the same spec, as they are; positions outside the ring are brought inside.

        Args:
            rows: (n,) rows here; ``of`` (n,) those of ``other``, which may come from keyed state that was damaged.
        """
        for name in ("ring", "filled", "head", "count", "until_due", "last", "points"):
            getattr(self, name)[rows] = getattr(other, name)[of]
        self.head[rows] %= self.spec.window  # the kernel writes there, unchecked
        self.count[rows] = self.count[rows].clip(0, self.spec.window)

    def adopt(self, rows: Ints, other: WindowStore, of: Ints) -> None:
        """Copy the newest points of rows from a store with the same features and interval; windows may differ.

        Args:
            rows: (n,) rows here, new or cleared; ``of`` (n,) those of ``other``.
        """
        keep = np.clip(other.count[of], 0, min(other.spec.window, self.spec.window))
        for size in np.unique(keep).tolist():  # one for all series whose windows are full
            to, source = rows[keep == size], of[keep == size, None]
            back = (other.head[source] - size + np.arange(size)) % other.spec.window
            self.ring[to, :size] = other.ring[source, back]
            self.filled[to, :size] = other.filled[source, back]
        self.head[rows] = keep % self.spec.window
        self.count[rows] = keep
        self.until_due[rows] = 0
        self.last[rows] = other.last[of]
        self.points[rows] = other.points[of]


def regularise(name: str, ts: Ints, values: Floats, spec: WindowSpec) -> list[Series]:
    """Bring a series into the form that the job works on: in order, gaps filled by ``spec``, cut at each break.

    Args:
        name: series id.
        ts: (n,) event times, epoch ms, in any order; of equal times the first is kept.
        values: (n, F).
        spec: interval and gap policy; its window and stride do not matter here.

    Returns:
        Segments without a break, in order of time.
    """
    ts, first = np.unique(np.asarray(ts, np.int64), return_index=True)
    values = np.asarray(values, float).reshape(-1, len(spec.features))[first]
    if not len(ts):
        return []
    gaps = np.zeros(len(ts), np.int64)
    if spec.interval_ms:
        gaps[1:] = np.maximum(np.rint(np.diff(ts) / spec.interval_ms).astype(np.int64) - 1, 0)
    breaks = (gaps > spec.max_gap) | ((gaps > 0) & (spec.gap_policy == "break"))
    gaps[breaks] = 0
    last = np.repeat(np.arange(len(ts)), gaps + 1)  # the real point that ends each block of filled ones
    step = np.arange(len(last)) - np.repeat(np.cumsum(gaps + 1) - (gaps + 1), gaps + 1) + 1
    real = step == (gaps + 1)[last]
    before = np.maximum(last - 1, 0)
    share = (step / (gaps + 1)[last])[:, None]
    rise = values[last] - values[before] if spec.gap_policy == "linear" else 0.0
    filler = values[before] + share * rise
    full = np.where(real[:, None], values[last], filler)
    times = np.where(real, ts[last], ts[before] + step * spec.interval_ms)
    cuts = np.flatnonzero(breaks[last] & real)
    pieces = np.split(np.arange(len(full)), cuts)
    return [Series(name, times[i], full[i], ~real[i]) for i in pieces if len(i)]


@njit(cache=True)
def _note_step(off, newest, row, apart, interval):  # type: ignore[no-untyped-def]
    # as eddy.models.windowing.sampling.fits
    if 2 * apart >= 3 * interval:
        off[row], newest[row] = min(off[row] + 1, MAX_OFF), apart
    elif 3 * apart <= 2 * interval:  # twice: where every interval has two points, the long step after them fits
        off[row], newest[row] = min(off[row] + 2, MAX_OFF), apart
    else:
        off[row] = max(off[row] - 1, 0)


@njit(cache=True)
def _copy(source, target):  # type: ignore[no-untyped-def]
    for k in range(len(source)):  # from 0, for the compiler to see that no index is negative: several at once
        target[k] = source[k]


@njit(cache=True)
def _push(rows, ts, values, store, steps, rules, out):  # type: ignore[no-untyped-def]
    ring, filled, head, count, until_due, last, points = store
    off, step_off = steps
    stride, interval, policy, max_gap = rules
    windows, imputed, events = out
    size, features = ring.shape[1], ring.shape[2]
    ring_of, window_of = ring.reshape(len(ring), size * features), windows.reshape(len(windows), size * features)
    due = 0
    for i in range(len(rows)):
        row = rows[i]
        gap = 0
        if interval > 0 and last[row] != NEVER:
            apart = ts[i] - last[row]
            gap = int(np.rint(apart / interval)) - 1
            _note_step(off, step_off, row, apart, interval)
        if gap > max_gap or (gap > 0 and policy == _BREAK):
            count[row] = 0
            until_due[row] = 0
            gap = 0
        if gap > 0:
            before = ring[row, (head[row] - 1) % size].copy()  # a gap longer than the window overwrites it in the ring
            first = max(gap - size, 0) + 1  # all before it would be overwritten at once: a gap may be of any length
            head[row] = (head[row] + first - 1) % size
            for step in range(first, gap + 1):
                share = step / (gap + 1) if policy == _LINEAR else 0.0
                for f in range(features):
                    ring[row, head[row], f] = before[f] + share * (values[i, f] - before[f]) if share else before[f]
                filled[row, head[row]] = 1
                head[row] = (head[row] + 1) % size
            count[row] = min(count[row] + gap, size)
            until_due[row] = max(until_due[row] - gap, 0)
        at = head[row]
        for f in range(features):
            ring[row, at, f] = values[i, f]
        filled[row, at] = 0
        head[row] = at + 1 if at + 1 < size else 0
        last[row] = ts[i]
        points[row] += 1
        count[row] = min(count[row] + 1, size)
        until_due[row] = max(until_due[row] - 1, 0)
        if count[row] == size and until_due[row] == 0:
            until_due[row] = stride
            start = head[row]
            older = size - start  # points from the head to the end of the ring come first
            _copy(filled[row, start:], imputed[due])
            _copy(filled[row, :start], imputed[due, older:])
            _copy(ring_of[row, start * features :], window_of[due])
            _copy(ring_of[row, : start * features], window_of[due, older * features :])
            events[due] = i
            due += 1
    return due
