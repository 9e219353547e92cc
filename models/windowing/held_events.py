"""Hold events in a pool of places: per slot a doubly linked list in order of time, and at most one parked event.

A parked event lies outside its series' list. Free places form a list too. All of it is plain arrays for numba; each
operation costs what the events that it touches cost, however many others are held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from eddy.models.core.detector import Bools, Floats, Ints

NONE = -1


@dataclass(frozen=True)
class Held:
    """Hold the events that wait, in no particular order.

    Attributes:
        slots, ts, values: of each.
        since: when each came, by the clock that :meth:`EventClock.admit` is given.
        parked: whether it waits to be confirmed; None in state of earlier versions: none does.
    """

    slots: Ints
    ts: Ints
    values: Floats
    since: Ints
    parked: Bools | None = None


class HeldEvents:
    """The pool of one shard.

    Attributes:
        count: events held; ``parked`` of them wait to be confirmed.
        ends: (slots, 3) first and last place of each slot's list, and that of its parked event.
        free: the first free place.
    """

    def __init__(self) -> None:
        self.count = self.parked = 0
        self.ends = np.zeros((0, 3), np.int64)
        self.free = NONE
        self._clear(1)

    def _clear(self, width: int) -> None:
        self._next, self._previous, self._slots, self._ts, self._since, self._origin = np.zeros((6, 0), np.int64)
        self._values = np.zeros((0, width))

    def grow(self, more: int) -> None:
        """Make room for so many more slots."""
        self.ends = np.concatenate([self.ends, np.full((more, 3), NONE)])

    def reserve(self, places: int, width: int) -> int:
        """Make sure that at least so many places are free, with columns for the widest values; returns the width."""
        self._values = widen(self._values, width)
        size = len(self._next)
        more = self.count + places - size
        if more > 0:
            more = max(more, size, 64)
            chain = np.arange(size + 1, size + more + 1)
            chain[-1] = self.free
            self.free = size
            self._next = np.concatenate([self._next, chain])
            none, zeros = np.full(more, NONE), np.zeros(more, np.int64)
            self._previous = np.concatenate([self._previous, none])
            self._slots = np.concatenate([self._slots, none])
            self._origin = np.concatenate([self._origin, none])
            self._ts = np.concatenate([self._ts, zeros])
            self._since = np.concatenate([self._since, zeros])
            self._values = np.concatenate([self._values, np.zeros((more, self._values.shape[1]))])
        return int(self._values.shape[1])

    def kernel(self) -> tuple[Any, ...]:
        """Return the arrays that the functions below take."""
        pool = self._next, self._previous, self._slots, self._ts, self._since, self._values, self._origin
        return self.ends, self.ends[:, 2], pool

    def events(self) -> Held:
        """Return all events."""
        used = np.flatnonzero(self._slots != NONE)
        slots = self._slots[used]
        return Held(slots, self._ts[used], self._values[used], self._since[used], self.ends[slots, 2] == used)

    def restore(self, held: Held) -> None:
        """Take :meth:`events` back, in place of all that are held now."""
        self.ends[:] = NONE
        self.free, self.count = NONE, 0
        self._clear(held.values.shape[1])
        self.reserve(len(held.slots), held.values.shape[1])
        parked = np.zeros(len(held.slots), np.bool_) if held.parked is None else held.parked
        order = np.argsort(held.ts, kind="stable")  # so that each goes to the end of its series' list
        events = (held.slots[order], held.ts[order], held.since[order], held.values[order], parked[order])
        self.free = _insert_all(events, self.kernel(), self.free)
        self.count, self.parked = len(held.slots), int(parked.sum())

    def parked_slots(self) -> set[int]:
        """Return the slots with a parked event."""
        return set(np.flatnonzero(self.ends[:, 2] != NONE).tolist())

    def parked_times(self, slots: Ints) -> tuple[Ints, Ints]:
        """Return (slots, times) of the parked events of some slots."""
        slots = slots[self.ends[slots, 2] != NONE]
        return slots, self._ts[self.ends[slots, 2]]

    def settle(self, slots: Ints) -> None:
        """Forget where in their batch the parked events of some slots were: the batch is over."""
        self._origin[self.ends[slots, 2]] = NONE

    def postpone(self, elapsed: int) -> None:
        """Treat every event as come that much later."""
        self._since += elapsed

    def forget(self, slots: Ints) -> None:
        """Drop the events of slots, each given once."""
        busy = slots[(self.ends[slots] != NONE).any(axis=1)]
        self.parked -= int((self.ends[busy, 2] != NONE).sum())
        for slot in busy.tolist():
            dropped, self.free = _drop(slot, self.kernel(), self.free)
            self.count -= dropped


def widen(values: Floats, width: int) -> Floats:
    """Add columns of missing values up to a width."""
    missing = width - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan) if missing > 0 else values


@njit(cache=True)
def fill(slot, t, since, value, held, free):  # type: ignore[no-untyped-def]
    """Write an event to the first free place, in no list; the next free place."""
    _, _, (following, _, slots, ts, arrived, values, _) = held
    place = free
    slots[place], ts[place], arrived[place] = slot, t, since
    for c in range(values.shape[1]):
        values[place, c] = value[c]
    return following[place]


@njit(cache=True)
def release_place(place, held, free):  # type: ignore[no-untyped-def]
    """Give a place that is in no list back; the new first free place."""
    following, _, slots, _, _, _, origin = held[2]
    slots[place] = origin[place] = NONE
    following[place] = free
    return place


@njit(cache=True)
def find(slot, t, held):  # type: ignore[no-untyped-def]
    """Find the last place of a list whose time is at most ``t``, walking back from its end: most come in order."""
    ends, _, (_, previous, _, ts, _, _, _) = held
    at = ends[slot, 1]
    while at != NONE and ts[at] > t:
        at = previous[at]
    return at


@njit(cache=True)
def link(slot, place, at, held):  # type: ignore[no-untyped-def]
    """Put a place into its slot's list, behind the place ``at``."""
    ends, _, (following, previous, _, _, _, _, _) = held
    after = ends[slot, 0] if at == NONE else following[at]
    following[place], previous[place] = after, at
    if at == NONE:
        ends[slot, 0] = place
    else:
        following[at] = place
    if after == NONE:
        ends[slot, 1] = place
    else:
        previous[after] = place


@njit(cache=True)
def pop(slot, held, free, out, released):  # type: ignore[no-untyped-def]
    """Move the first event of a list to ``out``; the new first free place."""
    ends, _, (following, previous, _, ts, _, values, _) = held
    place = ends[slot, 0]
    out[0][released], out[1][released] = slot, ts[place]
    for c in range(values.shape[1]):
        out[2][released, c] = values[place, c]
    first = following[place]
    ends[slot, 0] = first
    if first == NONE:
        ends[slot, 1] = NONE
    else:
        previous[first] = NONE
    return release_place(place, held, free)


@njit(cache=True)
def _insert_all(events, held, free):  # type: ignore[no-untyped-def]
    slots, ts, since, values, parked = events
    for i in range(len(slots)):
        place = free
        free = fill(slots[i], ts[i], since[i], values[i], held, free)
        if parked[i]:
            held[1][slots[i]] = place
        else:
            link(slots[i], place, find(slots[i], ts[i], held), held)
    return free


@njit(cache=True)
def _drop(slot, held, free):  # type: ignore[no-untyped-def]
    """Empty a slot; how many events it held, and the new first free place."""
    ends, parked_at, pool = held
    dropped, place = 0, ends[slot, 0]
    while place != NONE:
        after = pool[0][place]
        free = release_place(place, held, free)
        place = after
        dropped += 1
    ends[slot, 0] = ends[slot, 1] = NONE
    if parked_at[slot] != NONE:
        free = release_place(parked_at[slot], held, free)
        parked_at[slot] = NONE
        dropped += 1
    return dropped, free
