"""Follow the pauses of many series, event by event: the kernels of :class:`eddy.models.silence.pauses.PauseTable`.

``rows`` in what follows is an array of the records that :data:`FIELDS` describes, ``row`` one of them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from eddy.models.silence.hours import (
    EVER,
    HOUR_MS,
    UNKNOWN,
    UNUSUAL,
    counted_time,
    counted_until,
    hour_state,
    mark,
    week_of,
)
from eddy.models.silence.hours import WEEKS as WEEKS_KEPT

NEVER = -EVER
OFF, AUTO = -1, 0  # in ``after``: nothing is followed; learned
DAY_MS = 86_400_000
MIN_PAUSES = 20  # before any counts
MIN_SILENCE_MS = 30_000
TIMES_LONGEST, TIMES_MEAN = 2, 3
#: pauses of a Poisson stream are longer than their mean and this many standard deviations once in 2 x 10^8
DEVIATIONS = 18
WINDOW = 256  # pauses over which mean and deviation are taken
#: an unknown hour counts in pauses up to this length: a night is none, however little is known yet
UNKNOWN_MS = 3 * HOUR_MS
#: multiples of the allowed silence at which an incident opens and becomes more severe, see ``monitor.SEVERITIES``
LEVELS = (1.0, 10 ** (2 / 3), 10**1.5)
#: of a silence: row, last event, allowed ms, longest usual pause, event times at which each level is reached (EVER: not
#: known), ms of it that count, and until when those were counted
SILENCE = ("row", "last", "allowed", "usual", "open", "high", "critical", "silent", "until")
BRIDGED = 3  # an hour without an event is active within a pause of so many mean ones: slow series are no gaps
MEMORY_MS = 14 * DAY_MS  # the longest pauses of this and the period before count

#: what is kept of a row: name, dtype, more axes, what it is of a new row
FIELDS = (
    ("last", "i8", (), NEVER),  # newest event time; NEVER: none yet
    ("first", "i8", (), 0),  # event time that it began with
    ("skipped", "i8", (), 0),  # ms since then in which the whole source was silent
    ("seen", "i8", (), 0),  # the clock of its feed when it last spoke
    ("due", "i8", (), EVER),  # the clock of its feed after which it is to be looked at
    ("lag", "i8", (2,), 0),  # most that it came behind that clock, on the newest day and before
    ("after", "i8", (), OFF),  # silence that is allowed, ms; see AUTO, OFF
    ("mean", "f8", (), 0.0),  # of pauses, ms
    ("variance", "f8", (), 0.0),
    ("longest", "f4", (2,), 0.0),  # pause in this period and the one before, ms
    ("spread", "f4", (2,), 0.0),  # likewise, the largest mean with deviations
    ("count", "u4", (), 0),  # of pauses
    ("period", "i4", (), 0),
    ("lag_day", "i4", (), 0),
    ("week", "i4", (), 0),  # newest in ``weeks``
    ("weeks", "u4", (4, 6), 0),
    ("feed", "i4", (), 0),
    ("hour", "i1", (), UNKNOWN),  # state of the hour of the last event
    ("open", "?", (), False),  # it has an incident
)
DTYPE = np.dtype([(name, kind, axes) for name, kind, axes, _ in FIELDS])


@njit(cache=True)
def allowed(row):  # type: ignore[no-untyped-def]
    """Return the silence that is allowed of a row, ms; EVER while too little is known."""
    if row.after != AUTO:
        return EVER if row.after == OFF else row.after
    if row.count < MIN_PAUSES or row.last - row.first < DAY_MS:  # no hour is known before: spares the search for one
        return EVER
    longest = max(row.longest[0], row.longest[1])
    spread = max(row.spread[0], row.spread[1], _spread(row))
    return np.int64(max(TIMES_LONGEST * longest, TIMES_MEAN * row.mean, spread, MIN_SILENCE_MS))


@njit(cache=True)
def _spread(row):  # type: ignore[no-untyped-def]
    return row.mean + DEVIATIONS * math.sqrt(row.variance)


@njit(cache=True)
def deadline(row, length):  # type: ignore[no-untyped-def]
    """Return the event time at which a row has been silent for ``length`` ms of the time that counts; EVER: never."""
    begin = row.last + row.skipped
    if length == EVER:
        return EVER
    if row.after != AUTO:
        return begin + length
    first, newest = row.first // HOUR_MS, row.last // HOUR_MS
    return counted_until(row.weeks, row.week, first, newest, begin, length)


@njit(cache=True)
def lag_of(row):  # type: ignore[no-untyped-def]
    """Return how far a row tends to be behind the clock of its feed, ms."""
    return max(row.lag[0], row.lag[1])


@njit(cache=True)
def _note_lag(row, lag, clock):  # type: ignore[no-untyped-def]
    day = clock // DAY_MS
    if day != row.lag_day:
        row.lag[1], row.lag[0] = row.lag[0], 0
        row.lag_day = day
    row.lag[0] = max(row.lag[0], lag, 0)


@njit(cache=True)
def _learn(row, t, limit):  # type: ignore[no-untyped-def]
    """Take the pause before an event into account. What is longer than allowed counts as the allowed only."""
    begin, same_hour = row.last + row.skipped, t // HOUR_MS == row.last // HOUR_MS
    elapsed = max(t - begin, 0)
    if same_hour:
        pause = 0 if row.hour == UNUSUAL else elapsed
    else:
        first, newest = row.first // HOUR_MS, row.last // HOUR_MS
        short = elapsed <= UNKNOWN_MS
        pause = counted_time(row.weeks, row.week, first, newest, begin, t, short)
    if pause == 0:
        return
    value = float(min(pause, limit))
    row.count += 1
    share = 1.0 / min(row.count, WINDOW)
    off = value - row.mean
    row.mean += share * off
    row.variance = (1 - share) * (row.variance + share * off * off)
    period = t // MEMORY_MS
    if period != row.period:
        row.period = period
        row.longest[1], row.longest[0] = row.longest[0], 0
        row.spread[1], row.spread[0] = row.spread[0], 0
    row.longest[0] = max(row.longest[0], value)
    if row.count >= WINDOW:
        row.spread[0] = max(row.spread[0], _spread(row))


@njit(cache=True)
def _mark_hours(row, t):  # type: ignore[no-untyped-def]
    """Note the hours since the last event as active: that of the event, and those of a pause that is no gap."""
    hour, before = t // HOUR_MS, row.last // HOUR_MS
    if t - row.last <= BRIDGED * row.mean:
        for between in range(before + 1, hour):
            row.week = mark(row.weeks, row.week, between)
    row.week = mark(row.weeks, row.week, hour)


@njit(cache=True)
def describe(number, row, length, until, out):  # type: ignore[no-untyped-def]
    """Fill in what a silence of a row is, see :data:`SILENCE`, with what is known at its last event."""
    out[0], out[1], out[2] = number, row.last, length
    out[3] = np.int64(max(row.longest[0], row.longest[1]))
    for level in range(len(LEVELS)):
        out[4 + level] = deadline(row, np.int64(length * LEVELS[level]))
    begin = row.last + row.skipped
    out[7] = until - begin
    if row.after == AUTO:
        first, newest = row.first // HOUR_MS, row.last // HOUR_MS
        out[7] = counted_time(row.weeks, row.week, first, newest, begin, until, False)
    out[8] = until


@njit(cache=True)
def observe_all(events, rows, clocks, found):  # type: ignore[no-untyped-def]
    """Take events in order of arrival.

    Args:
        events: (rows, event times, feeds), (n,) each.
        rows: see :data:`FIELDS`.
        clocks: (feeds,) event time that each feed has come to, which the events advance. The first event of a row
            advances none but a new one, and every other by no more than its series has gone on: one series with a
            wrong clock does not make all others look silent.
        found: (n, 9) is filled with the silences that the events end, see :data:`SILENCE`: of rows that are open, and
            those that were longer than allowed.

    Returns:
        How many of them there are.
    """
    n_found = 0
    for i in range(len(events[0])):
        r, t, f = events[0][i], events[1][i], events[2][i]
        row = rows[r]
        last = row.last
        if last == NEVER:
            _begin(row, t, f, clocks)
            continue
        if row.feed != f:
            row.feed, row.seen = f, clocks[f]
        if clocks[f] == NEVER:
            clocks[f] = t
        else:
            clocks[f] = max(clocks[f], min(t, row.seen + max(t - last, 0)))
        _note_lag(row, clocks[f] - t, clocks[f])
        row.seen = clocks[f]
        if t <= last:  # out of order: it speaks, and its time does not go on
            row.week = mark(row.weeks, row.week, t // HOUR_MS)
            if row.due != EVER:
                row.due = max(row.due, last + lag_of(row))
            continue
        length = allowed(row)
        if row.open or (t > last + row.skipped + length and t > deadline(row, length)):
            describe(r, row, length, t, found[n_found])
            row.open = False
            n_found += 1
        _follow(row, t, length)
    return n_found


@njit(cache=True)
def _begin(row, t, f, clocks):  # type: ignore[no-untyped-def]
    """Take the first event of a row."""
    if clocks[f] == NEVER:
        clocks[f] = t
    row.last = row.first = t
    row.feed, row.seen = f, clocks[f]
    row.week = mark(row.weeks, week_of(t // HOUR_MS) - 2 * WEEKS_KEPT, t // HOUR_MS)
    row.period, row.lag_day = t // MEMORY_MS, clocks[f] // DAY_MS
    _note_lag(row, clocks[f] - t, clocks[f])
    length = allowed(row)
    row.due = EVER if length == EVER else t + length + lag_of(row)


@njit(cache=True)
def fall_due(candidates, clocks, rows, found):  # type: ignore[no-untyped-def]
    """Find the rows whose silence has become too long; fill in what it is, and say how many they are.

    Args:
        candidates: (n,) rows without an incident whose ``due`` has passed; it is set anew.
        clocks: (feeds,) the event time of each feed.
        rows: see :data:`FIELDS`.
        found: (limit, 9) is filled, see :data:`SILENCE`; what it has no room for stays due.
    """
    n_found = 0
    for r in candidates:
        if n_found == len(found):
            break
        row = rows[r]
        length, lag = allowed(row), lag_of(row)
        end = deadline(row, length)
        row.due = EVER if end == EVER else end + lag
        if row.due < clocks[row.feed]:
            describe(r, row, length, end, found[n_found])
            row.open = True
            n_found += 1
    return n_found


@njit(cache=True)
def _follow(row, t, limit):  # type: ignore[no-untyped-def]
    """Have a row go on at an event."""
    if row.after == AUTO:
        _learn(row, t, limit)
        last_hour = row.last // HOUR_MS
        _mark_hours(row, t)
        row.last, row.skipped = t, 0
        if t // HOUR_MS != last_hour:
            first, hour = row.first // HOUR_MS, t // HOUR_MS
            row.hour = hour_state(row.weeks, row.week, first, hour, hour)
    else:
        row.last, row.skipped = t, 0
    length = allowed(row)
    row.due = EVER if length == EVER else t + length + lag_of(row)
