"""The kernel of the event clock: admits events one by one; plain arrays only.

``counts`` in what follows: first free place, events held, of those parked, events released, given up, clocks taken
back, and series that asked for a ring (see ``SeenTimes``).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddy.models.windowing.held_events import NONE, fill, find, link, pop, release_place
from eddy.models.windowing.seen_times import COUNT, LINE, LONGEST, NO_RING, OWN_RING, RING, STEP, note, seen, usual_step

NEVER = np.iinfo(np.int64).min // 2  # event time before any event; halved so that differences cannot overflow
EVER = -NEVER  # out-of-orderness that no watermark passes: events leave by the time-out
TOLERANCE_MS = 60_000  # by which clocks of machines differ without anybody minding
#: sampling intervals that make a jump: into what the worker's clock says is the future, and otherwise. A gap of more
#: than 48 (``max_gap``) breaks the windows anyway, so its first point alone would not be scored
JUMP_AHEAD, JUMP = 3, 64
RELEASED, HELD, LATE, DUPLICATE, PARKED, AHEAD, UNCLEAR = range(7)
FREE, WAITING, PARKED_NOW, OUT, GIVEN_UP, BACK, RINGS = range(7)  # in ``counts``


@njit(cache=True)
def _pass(slot, t, series, counts):  # type: ignore[no-untyped-def]
    """Advance a series' clock to a released event."""
    series[0][slot] = t
    counts[RINGS] += note(slot, t, *series[3])


@njit(cache=True)
def _jumps(slot, t, series, bound, limit):  # type: ignore[no-untyped-def]
    """Tell whether an event lies so far ahead that it has to be confirmed."""
    newest, interval = series[1][slot], series[2][slot]
    future = t > limit
    if newest == NEVER:
        return future
    if interval == 0:
        interval = usual_step(slot, *series[3])
        if interval == 0 and not future:
            return False
    return t - newest > max(bound, (JUMP_AHEAD if future else JUMP) * interval)


@njit(cache=True)
def _release_due(slot, bound, series, held, out, counts):  # type: ignore[no-untyped-def]
    """Release the held events of a series that the watermark has passed, or that follow the last one."""
    last, newest, interval = series[:3]
    ends, ts = held[0], held[2][3]
    while ends[slot, 0] != NONE:
        first = ts[ends[slot, 0]]
        if first > newest[slot] - bound and (last[slot] == NEVER or first - last[slot] > interval[slot]):
            break
        counts[FREE] = pop(slot, held, counts[FREE], out, counts[OUT])
        _pass(slot, first, series, counts)
        counts[OUT] += 1
        counts[WAITING] -= 1


@njit(cache=True)
def _hold(slot, t, now, value, held, counts):  # type: ignore[no-untyped-def]
    """Hold an event in its series' list; False if its time is there already."""
    at = find(slot, t, held)
    if at != NONE and held[2][3][at] == t:
        return False
    place = counts[FREE]
    counts[FREE] = fill(slot, t, now, value, held, place)
    counts[WAITING] += 1
    link(slot, place, at, held)
    return True


@njit(cache=True)
def _confirm(slot, series, held, status, counts):  # type: ignore[no-untyped-def]
    """Move a series' parked event into its list: it is the newest one."""
    _, parked_at, pool = held
    place = parked_at[slot]
    parked_at[slot] = NONE
    counts[PARKED_NOW] -= 1
    if pool[6][place] != NONE:
        status[pool[6][place]] = HELD
        pool[6][place] = NONE
    link(slot, place, held[0][slot, 1], held)
    series[1][slot] = pool[3][place]


@njit(cache=True)
def _give_up(slot, last, held, status, given_up, counts):  # type: ignore[no-untyped-def]
    """Drop a series' parked event, and report it."""
    _, parked_at, pool = held
    place = parked_at[slot]
    parked_at[slot] = NONE
    k = counts[GIVEN_UP]
    given_up[k, 0], given_up[k, 1], given_up[k, 2], given_up[k, 3] = slot, pool[3][place], last, pool[6][place]
    counts[GIVEN_UP] += 1
    if pool[6][place] != NONE:
        status[pool[6][place]] = AHEAD
    counts[FREE] = release_place(place, held, counts[FREE])
    counts[WAITING] -= 1
    counts[PARKED_NOW] -= 1


@njit(cache=True)
def _decide(slot, t, value, rules, series, held, out, status, given_up, counts):  # type: ignore[no-untyped-def]
    """Let an event decide on the parked one of its series; what became of itself, if it is clear by that."""
    bound, now, _ = rules
    known, parked = series[1][slot], held[2][3][held[0][slot, 2]]
    if t == parked:
        return DUPLICATE
    if t > parked:
        _confirm(slot, series, held, status, counts)
        _release_due(slot, bound, series, held, out, counts)
    elif t > known:
        near = max(bound, TOLERANCE_MS) if known == NEVER else t - known
        if parked - t < near:  # both are on the other clock, this one before the parked one
            _hold(slot, t, now, value, held, counts)
            _confirm(slot, series, held, status, counts)
            _release_due(slot, bound, series, held, out, counts)
            return HELD
        _give_up(slot, t if known == NEVER else known, held, status, given_up, counts)
    return UNCLEAR


@njit(cache=True)
def _is_wrong(slot, t, right, bound, series):  # type: ignore[no-untyped-def]
    """Tell whether a late event shows that its series' clock is wrong: far ahead of the right time and of the event."""
    last, interval = series[0][slot], series[2][slot]
    step = interval if interval > 0 else usual_step(slot, *series[3])
    return last > right and t <= right and last - t > max(bound, TOLERANCE_MS, JUMP_AHEAD * step)


@njit(cache=True)
def _take_back(slot, t, series, held, out, status, given_up, taken_back, counts):  # type: ignore[no-untyped-def]
    """Begin a series' clock anew at ``t``; what it held by the wrong one is released before."""
    last, newest, ends = series[0], series[1], held[0]
    while ends[slot, 0] != NONE:
        counts[FREE] = pop(slot, held, counts[FREE], out, counts[OUT])
        last[slot] = out[1][counts[OUT]]
        counts[OUT] += 1
        counts[WAITING] -= 1
    k = counts[BACK]
    taken_back[k, 0], taken_back[k, 1], taken_back[k, 2], taken_back[k, 3] = slot, last[slot], t, counts[OUT]
    counts[BACK] += 1
    if ends[slot, 2] != NONE:
        _give_up(slot, t, held, status, given_up, counts)
    last[slot] = newest[slot] = NEVER


@njit(cache=True)
def admit_all(events, rules, series, held, out, status, given_up, taken_back, counts):  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915
    """Admit events in order of arrival.

    Args:
        events: slots, times, values; times of their records (none: empty); by slot, the steady time up to which a
            series counts as spread over partitions (none: empty).
        rules: out-of-orderness, steady time, and the event time after which an event is in the future.
        series: last and newest times and intervals by slot; arrays of ``SeenTimes``.
        held: arrays of ``HeldEvents``.
        out: slots, times, values of the events released.
        status: (n,) what became of each event.
        given_up, taken_back: (n, 4) rows of ``Ahead`` and ``TakenBack``.
        counts: see above.
    """
    slots, times, values, records, spread = events
    allowed, now, limit = rules
    last, newest, interval, seen_times = series
    run, runs, rings = seen_times
    ends, parked_at, pool = held
    for i in range(len(slots)):
        slot, t = slots[i], times[i]
        bound = EVER if len(spread) and spread[slot] > now else allowed
        if ends[slot, 2] != NONE:
            found = _decide(slot, t, values[i], (bound, now, limit), series, held, out, status, given_up, counts)
            if found != UNCLEAR:
                status[i] = found
                continue
        if t <= last[slot]:
            if t == last[slot] or seen(slot, t, last[slot], run, runs, rings):
                status[i] = DUPLICATE
                continue
            right = max(limit, records[i]) if len(records) else limit
            if not _is_wrong(slot, t, right, allowed, series):
                status[i] = LATE
                continue
            _take_back(slot, t, series, held, out, status, given_up, taken_back, counts)
        # Where one partition is read ahead of another, that is no jump, unless into the future.
        if t - newest[slot] > TOLERANCE_MS and (bound < EVER or t > limit) and _jumps(slot, t, series, allowed, limit):
            place = counts[FREE]
            counts[FREE] = fill(slot, t, now, values[i], held, place)
            pool[6][place] = i
            parked_at[slot] = place
            counts[WAITING] += 1
            counts[PARKED_NOW] += 1
            status[i] = PARKED
            continue
        newest[slot] = max(newest[slot], t)
        if ends[slot, 0] == NONE and (bound == 0 or (last[slot] != NEVER and t - last[slot] <= interval[slot])):
            released = counts[OUT]
            out[0][released], out[1][released] = slot, t
            for c in range(values.shape[1]):
                out[2][released, c] = values[i, c]
            counts[OUT] += 1
            ring, known = run[slot, OWN_RING], run[slot, COUNT]
            if ring == NO_RING and 1 < known < LONGEST and t - last[slot] == run[slot, STEP]:
                run[slot, COUNT] = known + 1  # as note() does: nearly all events, and its call costs more than all else
            elif ring >= 0:  # likewise
                rings[known % RING // LINE, ring, known % LINE] = np.uint32(t & 0xFFFFFFFF)
                run[slot, COUNT] = known + 1
            else:
                counts[RINGS] += note(slot, t, run, runs, rings)
            last[slot] = t
        elif _hold(slot, t, now, values[i], held, counts):
            status[i] = HELD
            _release_due(slot, bound, series, held, out, counts)
        else:
            status[i] = DUPLICATE


@njit(cache=True)
def expire(until, bound, series, held, out, status, counts):  # type: ignore[no-untyped-def]
    """Release, series by series, what came early enough, up to the first in time that came later.

    A parked event goes with them, unless it still lies in the future.
    """
    before, limit = until
    ends, parked_at, pool = held
    for slot in range(len(ends)):
        place = parked_at[slot]
        if place != NONE and pool[4][place] <= before and pool[3][place] <= limit:
            _confirm(slot, series, held, status, counts)
            _release_due(slot, bound, series, held, out, counts)
        while ends[slot, 0] != NONE and pool[4][ends[slot, 0]] <= before:
            first = pool[3][ends[slot, 0]]
            counts[FREE] = pop(slot, held, counts[FREE], out, counts[OUT])
            _pass(slot, first, series, counts)
            counts[OUT] += 1
            counts[WAITING] -= 1
