"""Recognise counters, series that only grow but for resets, and take from them what is scored: the increase.

The raw value of a counter is new at every point, so no detector can say what is usual of it; its increase from point
to point has a usual range. What counts as an increase is as in Prometheus: a value below the one before is a reset, and
the counter rose to it from 0.

A fall is taken for a reset where the counter could have got to the value from 0 meanwhile. Nothing is scored there:
what it rose by before the reset is not known, and what follows a restart is not usual. Any other fall is scored as the
increase from 0 that it would be, or, if it is a small step back, not at all. After the third such fall the series is a
gauge.

An increase over missed points is spread over them evenly, so that a reader that hung for an hour raises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from eddy.models.core.detector import Bools, Floats, Ints, WindowSpec

RISES = 200  # without a fall, before a series counts as a counter: more than a smooth gauge rises in a row
#: rises without a fall that show in a few records that a series may be one: twenty times up, never down
FEW_RISES = 20
_MORE_AFTER_A_FALL = 8.0  # times as many rises are asked of a series for each time that it fell
_FALLS = 3.0  # after so many a series is a gauge, for good
_RESET_RISES = 4.0  # of the largest increase so far: to as much a counter may have risen from 0 since its reset
_RESET_SHARE = 0.01  # of the value before: so far down falls only what begins anew
_PAUSE = 20.0  # rises before a reset, of a series that may be a counter
_DIGITS, _MAX_DECIMALS = 13.0, 300.0  # of a float64, two less than all; of 10 to a power that is finite
_NEAR, _FOLLOW, _SPRING = 0.25, 1 / 16, 1.05  # how the usual time between points follows the newest

_LAST, _USUAL = range(2)  # of a row: time of its newest point, usual time between two
_HEAD = 2
#: of each feature: whether there was a value before, it and its time, the largest increase, rises since the last fall,
#: falls, whether the increase is scored
_SEEN, _PREVIOUS, _SINCE, _LARGEST, _RISEN, _FALLEN, _COUNTER = range(7)
_WIDTH = 7


def increase(previous: Floats, value: Floats) -> Floats:
    """Return (n,) by how much a counter rose; after a reset, where a value is below the one before, it rose from 0.

    Examples:
        >>> import numpy as np
        >>> increase(np.array([5.0, 9.0]), np.array([9.0, 2.0])).tolist()
        [4.0, 2.0]
    """
    return np.where(value < previous, value, value - previous)


def is_counter(values: Floats, rises: int = RISES) -> bool:
    """Return whether (n,) values in order of time are those of a counter, as far as they show it.

    Args:
        values: NaN = missing.
        rises: that are needed without a fall.

    Examples:
        >>> import numpy as np
        >>> up = np.arange(1000.0)
        >>> is_counter(up), is_counter(up % 600), is_counter(up % 100), is_counter(np.ones(1000))
        (True, True, False, False)
    """
    counters = Counters(WindowSpec(1), rises=rises)
    counters.grow(1)
    values = np.asarray(values, float)
    counters.convert(np.zeros(len(values), np.int64), np.arange(len(values)), values[:, None])
    return bool(counters.found(np.zeros(1, np.int64))[0, 0])


def converted(ts: Ints, values: Floats, spec: WindowSpec, counts: Sequence[bool]) -> Floats:
    """Return (n, F) values of one series as they are scored: increases of the features that count, the others as is.

    Args:
        ts: (n,) epoch ms, increasing.
        values: (n, F) as measured.
        spec: its interval says which points are missing; 0: the usual time between two does.
        counts: of each feature, whether it is a counter.
    """
    counters = Counters(spec, fixed=True)
    counters.grow(1)
    counters.start(np.zeros(1, np.int64), np.array([counts], np.bool_))
    return counters.convert(np.zeros(len(ts), np.int64), np.asarray(ts, np.int64), values).values


def found_in(state: Floats) -> Bools:
    """Return (n, F) which features are counters, of rows of :attr:`Counters.state`."""
    return np.asarray(state[:, _HEAD + _COUNTER :: _WIDTH] != 0.0)


class Converted(NamedTuple):
    """Hold points as they are scored.

    Attributes:
        values: (n, F).
        turns: (n,) how often what is scored of a point's row had changed by then, since the first of these points;
            None: never.
        increases: (n, F) which values are increases; None likewise.
    """

    values: Floats
    turns: Ints | None = None
    increases: Bools | None = None


class Counters:
    """Follow many series, one row each: which of their features are counters, and what is to be scored of a point.

    All depends on a row's own points in their order, and on nothing else.

    Args:
        spec: features and interval of the model.
        fixed: what is scored is known and stays, see :meth:`start`; else it follows the values.
        rises: without a fall, before a feature counts as a counter.

    Attributes:
        state: (rows, width), for checkpoints; all zeros: nothing was seen yet, and values are scored.
    """

    def __init__(self, spec: WindowSpec, fixed: bool = False, rises: int = RISES) -> None:
        self.fixed, self._interval, self._rises = fixed, float(spec.interval_ms), float(rises)
        self.state = np.zeros((0, _HEAD + _WIDTH * len(spec.features)))

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = np.zeros((max(size - len(self.state), 0), self.state.shape[1]))
        self.state = np.concatenate([self.state, more])

    def start(self, rows: Ints, counts: Bools) -> None:
        """Begin rows anew; (n, F) ``counts``: features that are counters from their first point on."""
        self.state[rows] = 0.0
        self.change(rows, counts)

    def change(self, rows: Ints, counts: Bools) -> None:
        """Score the increase of the features that ``counts`` (n, F) names, and no others, from the next point on."""
        for f in range(counts.shape[1]):
            at = _HEAD + f * _WIDTH
            self.state[rows[counts[:, f] & (self.state[rows, at + _COUNTER] == 0.0)], at + _SEEN] = 0.0
            self.state[rows, at + _COUNTER] = counts[:, f]

    def found(self, rows: Ints) -> Bools:
        """Return (n, F) which features of rows are counters, after all points so far."""
        return found_in(self.state[rows])

    def convert(self, rows: Ints, ts: Ints, values: Floats) -> Converted:
        """Return what is to be scored of points, each row's in order of time.

        Args:
            rows: (n,) row of each point; ``ts`` (n,) epoch ms; ``values`` (n, F), NaN = missing.
        """
        found = np.array(values, float)
        changed, increases = np.zeros(len(rows), np.bool_), np.zeros(values.shape, np.bool_)
        if not _convert(rows, ts, found, self.state, self._interval, self.fixed, self._rises, changed, increases):
            return Converted(found)
        order = np.argsort(rows, kind="stable")
        count = np.cumsum(changed[order])
        first = np.searchsorted(rows[order], rows)  # where each point's row begins among the sorted ones
        turns = np.empty(len(rows), np.int64)
        turns[order] = count
        return Converted(found, turns - (count - changed[order])[first], increases)


@njit(cache=True)
def _convert(rows, ts, values, state, interval, fixed, rises, changed, increases):  # type: ignore[no-untyped-def]
    """Put in the place of values what is scored of them, and note what are increases.

    Marks the points at which that changes for their row; returns whether there are any.
    """
    any_changed = False
    for i in range(len(rows)):
        row, now, usual, follows = state[rows[i]], float(ts[i]), interval, False
        for f in range(values.shape[1]):
            at = _HEAD + f * _WIDTH
            before = row[at + _COUNTER]
            if before == 0.0 and row[at + _FALLEN] >= _FALLS:
                continue  # a gauge for good, as most series are after a few points
            if interval <= 0.0:
                usual, follows = row[_USUAL], True
            x = values[i, f]
            if np.isfinite(x):
                values[i, f] = _converted(row, at, x, now, usual, fixed, rises)
                if row[at + _COUNTER] != before:
                    changed[i] = any_changed = True
            increases[i, f] = row[at + _COUNTER] != 0.0
        if follows:
            _note_time(row, now)
    return any_changed


@njit(cache=True)
def _rounded(difference, x):  # type: ignore[no-untyped-def]
    """Round to the decimals that x can have: what is left of it in a difference is its rounding, which is no news."""
    if x <= 0.0:
        return difference
    decimals = min(max(_DIGITS - np.floor(np.log10(x)), 0.0), _MAX_DECIMALS)
    power = 10.0**decimals
    return np.rint(difference * power) / power


@njit(cache=True)
def _note_time(row, now):  # type: ignore[no-untyped-def]
    last, usual = row[_LAST], row[_USUAL]
    row[_LAST] = now
    apart = now - last
    if last == 0.0:  # the first point
        return
    if usual == 0.0:
        row[_USUAL] = apart
    elif abs(apart - usual) <= _NEAR * usual:
        row[_USUAL] = usual + _FOLLOW * (apart - usual)
    else:
        row[_USUAL] = usual * _SPRING if apart > usual else usual / _SPRING


@njit(cache=True)
def _converted(row, at, x, now, usual, fixed, rises):  # type: ignore[no-untyped-def]
    """Return what is scored of a feature's next value: itself, an increase, or NaN where that is not known."""
    counter, seen, previous, since = row[at + _COUNTER] != 0.0, row[at + _SEEN], row[at + _PREVIOUS], row[at + _SINCE]
    row[at + _SEEN], row[at + _PREVIOUS], row[at + _SINCE] = 1.0, x, now
    if x < 0.0 and not fixed:  # no counter is below 0
        row[at + _FALLEN], row[at + _COUNTER] = _FALLS, 0.0
        return x
    if seen == 0.0:
        return np.nan if counter else x
    steps = max(np.rint((now - since) / usual), 1.0) if usual > 0.0 else 1.0
    largest = row[at + _LARGEST]
    if x >= previous:
        step = _rounded(x - previous, x) / steps
        if step > 0.0:
            row[at + _RISEN] += 1.0
            # of one far off, as after a hole, the largest increase learns little
            row[at + _LARGEST] = max(largest, min(step, 2.0 * largest)) if largest > 0.0 else step
            fallen = row[at + _FALLEN]
            if not (counter or fixed) and fallen < _FALLS and row[at + _RISEN] >= rises * _MORE_AFTER_A_FALL**fallen:
                row[at + _COUNTER] = 1.0
                counter = True
        return step if counter else x
    reach = _RESET_RISES * largest * steps
    reset = x >= 0.0 and (x <= reach or x <= _RESET_SHARE * previous)
    risen = row[at + _RISEN]
    if not counter:
        row[at + _RISEN] = 0.0
        if not reset or risen < _PAUSE:
            row[at + _FALLEN] = min(row[at + _FALLEN] + 1.0, _FALLS)
        return x
    if reset:
        return np.nan
    row[at + _RISEN] = 0.0
    row[at + _FALLEN] = min(row[at + _FALLEN] + 1.0, _FALLS)
    if not fixed and row[at + _FALLEN] >= _FALLS:
        row[at + _COUNTER] = 0.0
        return x
    return np.nan if previous - x <= reach else x / steps
