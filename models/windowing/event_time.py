"""Put each series' events in order of event time; find late events and duplicates.

Each series has a watermark of its own, its newest event time less the allowed out-of-orderness, so that a slow series
is never made late by a fast one. An event is released when the watermark passes it, or at once if no earlier event can
still come: no out-of-orderness is allowed, or it follows the last one within the sampling interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddy.models.core.detector import Floats, Ints

NEVER = np.iinfo(np.int64).min // 2  # event time before any event; halved so that differences cannot overflow
RECENT = 8  # released times remembered per series, to distinguish a duplicate from a late event
NONE = -1
_FAR = 2**32 - 1  # saturated distance: longer ago than 49 days
_RELEASED, _HELD, _LATE, _DUPLICATE = 0, 1, 2, 3


@dataclass(frozen=True)
class Admitted:
    """Report what happened to a batch of events.

    Attributes:
        slots, ts, values: released events, each series' in order of event time; values (n, C).
        late: indices into the batch of events that came after the watermark had passed them.
        duplicates: number of events that repeated a series and time already seen.
    """

    slots: Ints
    ts: Ints
    values: Floats
    late: Ints
    duplicates: int


@dataclass(frozen=True)
class Held:
    """Hold the events that wait, in no particular order; ``since`` is the wall-clock time at which each came."""

    slots: Ints
    ts: Ints
    values: Floats
    since: Ints


class EventClock:
    """Keep the event-time state of one shard's series, by slot. Results do not depend on how events are batched.

    Args:
        out_of_orderness_ms: event time for which a series waits for events that come out of order.
        hold_timeout_ms: wall-clock time after which a held event is released anyway; 0 = never.
    """

    def __init__(self, out_of_orderness_ms: int = 0, hold_timeout_ms: int = 0) -> None:
        self.bound = out_of_orderness_ms
        self.timeout = hold_timeout_ms
        self.last = np.zeros(0, np.int64)  # newest released event time
        self.newest = np.zeros(0, np.int64)  # newest event time seen
        self.recent = np.zeros((0, RECENT), np.uint32)  # distances of the released times before `last`, ms
        self.interval = np.zeros(0, np.int64)  # sampling interval, 0 = unknown
        self.waiting = 0  # events held
        # Held events: a pool of places, and per slot a doubly linked list through it in order of time; its ends are
        # (slots, 2): first, last. Free places form a list too.
        self._ends = np.zeros((0, 2), np.int64)
        self._next = np.zeros(0, np.int64)
        self._previous = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self._ts = np.zeros(0, np.int64)
        self._since = np.zeros(0, np.int64)
        self._values = np.zeros((0, 1))
        self._free = NONE

    def grow(self, size: int) -> None:
        """Make room for slots below ``size``."""
        more = size - len(self.last)
        if more <= 0:
            return
        more = max(more, len(self.last), 64)
        self.last = np.concatenate([self.last, np.full(more, NEVER)])
        self.newest = np.concatenate([self.newest, np.full(more, NEVER)])
        self.recent = np.concatenate([self.recent, np.full((more, RECENT), _FAR, np.uint32)])
        self.interval = np.concatenate([self.interval, np.zeros(more, np.int64)])
        self._ends = np.concatenate([self._ends, np.full((more, 2), NONE)])

    def forget(self, slots: Ints) -> None:
        """Reset slots that are to be reused, each once; costs what their own held events cost."""
        self.last[slots] = self.newest[slots] = NEVER
        self.recent[slots] = _FAR
        self.interval[slots] = 0
        for slot in slots[self._ends[slots, 0] != NONE].tolist():
            dropped, self._free = _drop(slot, self._ends, self._pool(), self._free)
            self.waiting -= dropped

    def held(self) -> Held:
        """Return all events that wait."""
        used = np.flatnonzero(self._slots != NONE)
        return Held(self._slots[used], self._ts[used], self._values[used], self._since[used])

    def restore(self, held: Held) -> None:
        """Put :meth:`held` events back, in place of all that wait now."""
        self._ends[:] = NONE
        self._next, self._previous, self._slots, self._ts, self._since = (np.zeros(0, np.int64) for _ in range(5))
        self._values, self._free, self.waiting = np.zeros((0, held.values.shape[1])), NONE, 0
        self._reserve(len(held.slots), held.values.shape[1])
        order = np.argsort(held.ts, kind="stable")  # so that each goes to the end of its series' list
        events = (held.slots[order], held.ts[order], held.since[order], held.values[order])
        self._free = _insert_all(events, self._ends, self._pool(), self._free)
        self.waiting = len(held.slots)

    def admit(self, slots: Ints, ts: Ints, values: Floats, now: int, final: bool = False) -> Admitted:
        """Admit a batch in order of arrival; release what is due.

        Args:
            slots: (n,) slot of each event's series.
            ts: (n,) event times, epoch ms.
            values: (n, C).
            now: wall clock, epoch ms; only compared with earlier values.
            final: no more events will come, so release everything.
        """
        n = len(slots)
        if self.bound or self.waiting:
            self._reserve(n, values.shape[1])
            values = _widen(values, self._values.shape[1])
        size = n + self.waiting
        out = (np.empty(size, np.int64), np.empty(size, np.int64), np.empty((size, values.shape[1])))
        status = np.empty(n, np.uint8)
        clock = (self.last, self.newest, self.recent, self.interval)
        released, self._free = _admit(
            (slots, ts, values), self.bound, now, clock, self._ends, self._pool(), self._free, out, status
        )
        duplicates = int(np.count_nonzero(status == _DUPLICATE))
        self.waiting += n - duplicates - int(np.count_nonzero(status == _LATE)) - released
        if self.waiting and (final or self.timeout):
            before = np.iinfo(np.int64).max if final else now - self.timeout
            more, self._free = _expire(before, clock, self._ends, self._pool(), self._free, out, released)
            self.waiting -= more - released
            released = more
        late = np.flatnonzero(status == _LATE)
        return Admitted(out[0][:released], out[1][:released], out[2][:released], late, duplicates)

    def _pool(self) -> tuple[Ints, Ints, Ints, Ints, Ints, Floats]:
        return self._next, self._previous, self._slots, self._ts, self._since, self._values

    def _reserve(self, places: int, width: int) -> None:
        """Make sure that at least so many places are free, with columns for the widest values."""
        self._values = _widen(self._values, width)
        size = len(self._next)
        more = self.waiting + places - size
        if more <= 0:
            return
        more = max(more, size, 64)
        chain = np.arange(size + 1, size + more + 1)
        chain[-1] = self._free
        self._free = size
        self._next = np.concatenate([self._next, chain])
        self._previous = np.concatenate([self._previous, np.full(more, NONE)])
        self._slots = np.concatenate([self._slots, np.full(more, NONE)])
        self._ts = np.concatenate([self._ts, np.zeros(more, np.int64)])
        self._since = np.concatenate([self._since, np.zeros(more, np.int64)])
        self._values = np.concatenate([self._values, np.zeros((more, self._values.shape[1]))])


def _widen(values: Floats, width: int) -> Floats:
    missing = width - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan) if missing > 0 else values


@njit(cache=True)
def _pass(slot, t, last, recent):  # type: ignore[no-untyped-def]
    """Advance a series' clock to a released event."""
    step = min(t - last[slot], _FAR)
    for k in range(RECENT - 1, 0, -1):
        recent[slot, k] = min(np.int64(recent[slot, k - 1]) + step, _FAR)
    recent[slot, 0] = step
    last[slot] = t


@njit(cache=True)
def _insert(slot, t, since, value, ends, pool, free):  # type: ignore[no-untyped-def]
    """Put an event into its series' list, walking back from its end: most events come nearly in order.

    Returns the new first free place, or the same one if the time is there already.
    """
    following, previous, slots, ts, arrived, values = pool
    after, at = NONE, ends[slot, 1]
    while at != NONE and ts[at] > t:
        after, at = at, previous[at]
    if at != NONE and ts[at] == t:
        return free
    place = free
    free = following[place]
    slots[place], ts[place], arrived[place] = slot, t, since
    for c in range(values.shape[1]):
        values[place, c] = value[c]
    following[place], previous[place] = after, at
    if at == NONE:
        ends[slot, 0] = place
    else:
        following[at] = place
    if after == NONE:
        ends[slot, 1] = place
    else:
        previous[after] = place
    return free


@njit(cache=True)
def _insert_all(events, ends, pool, free):  # type: ignore[no-untyped-def]
    """Put events back that differ in series or time; the new first free place."""
    slots, ts, since, values = events
    for i in range(len(slots)):
        free = _insert(slots[i], ts[i], since[i], values[i], ends, pool, free)
    return free


@njit(cache=True)
def _drop(slot, ends, pool, free):  # type: ignore[no-untyped-def]
    """Empty a series' list; how many it held, and the new first free place."""
    following, slots = pool[0], pool[2]
    dropped, place = 0, ends[slot, 0]
    while place != NONE:
        after = following[place]
        slots[place] = NONE
        following[place] = free
        free, place = place, after
        dropped += 1
    ends[slot, 0] = ends[slot, 1] = NONE
    return dropped, free


@njit(cache=True)
def _pop(slot, clock, ends, pool, free, out, released):  # type: ignore[no-untyped-def]
    """Release the first of a series' list; the new first free place."""
    following, previous, slots, ts, _, values = pool
    place = ends[slot, 0]
    out[0][released], out[1][released] = slot, ts[place]
    for c in range(values.shape[1]):
        out[2][released, c] = values[place, c]
    _pass(slot, ts[place], clock[0], clock[2])
    first = following[place]
    ends[slot, 0] = first
    if first == NONE:
        ends[slot, 1] = NONE
    else:
        previous[first] = NONE
    slots[place] = NONE
    following[place] = free
    return place


@njit(cache=True)
def _admit(events, bound, now, clock, ends, pool, free, out, status):  # type: ignore[no-untyped-def]
    slots, times, values = events
    last, newest, recent, interval = clock
    released = 0
    for i in range(len(slots)):
        slot, t = slots[i], times[i]
        newest[slot] = max(newest[slot], t)
        ago = last[slot] - t
        if ago >= 0:
            seen = ago == 0
            for k in range(RECENT):
                seen |= ago == recent[slot, k]
            status[i] = _DUPLICATE if seen else _LATE
            continue
        if ends[slot, 0] == NONE and (bound == 0 or (last[slot] != NEVER and -ago <= interval[slot])):
            out[0][released], out[1][released] = slot, t
            for c in range(values.shape[1]):
                out[2][released, c] = values[i, c]
            _pass(slot, t, last, recent)
            released += 1
            status[i] = _RELEASED
            continue
        place = _insert(slot, t, now, values[i], ends, pool, free)
        if place == free:
            status[i] = _DUPLICATE
            continue
        free = place
        status[i] = _HELD
        while ends[slot, 0] != NONE:
            first = pool[3][ends[slot, 0]]
            if first > newest[slot] - bound and (last[slot] == NEVER or first - last[slot] > interval[slot]):
                break
            free = _pop(slot, clock, ends, pool, free, out, released)
            released += 1
    return released, free


@njit(cache=True)
def _expire(before, clock, ends, pool, free, out, released):  # type: ignore[no-untyped-def]
    """Release, series by series, what came at ``before`` or earlier, up to the first in time that came later."""
    for slot in range(len(ends)):
        while ends[slot, 0] != NONE and pool[4][ends[slot, 0]] <= before:
            free = _pop(slot, clock, ends, pool, free, out, released)
            released += 1
    return released, free
