"""Know in which hours of the week a series is active, and count only those: kernels on plain arrays.

Of each row 4 x 168 bits say in which hours of the current and the last three weeks (UTC) events came. An hour is
*usual* if the same hour was active in most of the known weeks. Of a single known week also most of the same hours on
days of the same kind (Tuesday to Thursday, or the day itself) have to agree, and those alone decide before a week is
known. An hour is *counted* if it and both its neighbours are usual: a shift by the change to summer time, or an
unpunctual opening, touches only hours next to unusual ones.
"""

from __future__ import annotations

import numpy as np
from numba import njit

HOUR_MS = 3_600_000
WEEK_HOURS, DAY_HOURS = 168, 24
WEEKS, INTS = 4, 6  # weeks of bits; words of 32 bits in each
_TO_MONDAY = 72  # hours from Monday 00:00 to the epoch, which began on a Thursday
_HORIZON_HOURS = 3 * WEEK_HOURS  # beyond, nothing is known
EVER = np.iinfo(np.int64).max // 2
UNUSUAL, USUAL, UNKNOWN = 0, 1, -1


@njit(cache=True)
def week_of(hour):  # type: ignore[no-untyped-def]
    """Return the number of an hour's week."""
    return (hour + _TO_MONDAY) // WEEK_HOURS


@njit(cache=True)
def mark(weeks, week, hour):  # type: ignore[no-untyped-def]
    """Note an event in an hour, going on to its week if that is new; return the newest week. ``weeks`` (4, 6)."""
    own = week_of(hour)
    if own <= week - WEEKS:
        return week
    for passed in range(max(week + 1, own - WEEKS + 1), own + 1):
        weeks[passed % WEEKS, :] = 0
    at = (hour + _TO_MONDAY) % WEEK_HOURS
    weeks[own % WEEKS, at // 32] |= np.uint32(1) << np.uint32(at % 32)
    return max(week, own)


@njit(cache=True)
def _kind(hour):  # type: ignore[no-untyped-def]
    """Return the kind of an hour's day: Tuesday to Thursday are alike.

    Night shifts begin on Monday, offices close early on Friday, weekends are their own.
    """
    day = (hour + _TO_MONDAY) % WEEK_HOURS // DAY_HOURS
    return 1 if 1 <= day <= 3 else day


@njit(cache=True)
def _known(week, first, newest, hour):  # type: ignore[no-untyped-def]
    return first <= hour <= newest and week_of(hour) > week - WEEKS


@njit(cache=True)
def _active(weeks, hour):  # type: ignore[no-untyped-def]
    at = (hour + _TO_MONDAY) % WEEK_HOURS
    return (weeks[week_of(hour) % WEEKS, at // 32] >> np.uint32(at % 32)) & np.uint32(1)


@njit(cache=True)
def habit(weeks, week, first, newest, hour):  # type: ignore[no-untyped-def]
    """Return whether an hour is USUAL, UNUSUAL or UNKNOWN, by what is known of the hours ``first`` to ``newest``."""
    known = active = 0
    for back in range(1, WEEKS):
        same = hour - back * WEEK_HOURS
        if _known(week, first, newest, same):
            known += 1
            active += _active(weeks, same)
    if known > 1 or (known == 1 and active == 0):
        return USUAL if 2 * active > known else UNUSUAL
    days = days_active = 0
    for back in range(1, 8):
        same = hour - back * DAY_HOURS
        if _kind(same) == _kind(hour) and _known(week, first, newest, same):
            days += 1
            days_active += _active(weeks, same)
    if days == 0:
        return UNKNOWN
    return USUAL if 2 * days_active > days else UNUSUAL


@njit(cache=True)
def hour_state(weeks, week, first, newest, hour):  # type: ignore[no-untyped-def]
    """Return USUAL where an hour is counted, UNKNOWN where nothing is known of it, else UNUSUAL."""
    here = habit(weeks, week, first, newest, hour)
    if here != USUAL:
        return here
    before, after = habit(weeks, week, first, newest, hour - 1), habit(weeks, week, first, newest, hour + 1)
    return USUAL if before == USUAL and after == USUAL else UNUSUAL


@njit(cache=True)
def counted_time(weeks, week, first, newest, begin, end, with_unknown):  # type: ignore[no-untyped-def]
    """Return the ms between two times that lie in counted hours; ``with_unknown``: or in hours nothing is known of."""
    total, at, hour = 0, begin, begin // HOUR_MS
    for _ in range(_HORIZON_HOURS):
        if at >= end:
            break
        until = min((hour + 1) * HOUR_MS, end)
        state = hour_state(weeks, week, first, newest, hour)
        if state == USUAL or (with_unknown and state == UNKNOWN):
            total += until - at
        at, hour = until, hour + 1
    return total


@njit(cache=True)
def counted_until(weeks, week, first, newest, begin, length):  # type: ignore[no-untyped-def]
    """Return the time at which ``length`` ms of counted hours have passed since ``begin``; EVER if that is unknown."""
    at, hour, left = begin, begin // HOUR_MS, length
    before = habit(weeks, week, first, newest, hour - 1)
    here = habit(weeks, week, first, newest, hour)
    for _ in range(_HORIZON_HOURS):
        after = habit(weeks, week, first, newest, hour + 1)
        until = (hour + 1) * HOUR_MS
        if before == USUAL and here == USUAL and after == USUAL:
            if until - at >= left:
                return at + left
            left -= until - at
        at, hour, before, here = until, hour + 1, here, after
    return EVER
