"""Event time, series by series: puts stragglers in order, finds what is late and what came twice.

Each series has a watermark of its own, its newest event time less the allowed out-of-orderness, so that a slow series
is never made late by a fast one. An event is released when the watermark passes it, or at once when nothing can come
before it any more: no out-of-orderness is allowed, or it follows the last one within the sampling interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.detector import Floats, Ints

NEVER = np.iinfo(np.int64).min // 2  # event time before any event; halved so that differences cannot overflow
RECENT = 8  # released times remembered per series, to tell an event that came twice from a late one
RELEASED, HELD, LATE, DUPLICATE = 0, 1, 2, 3
_FAR = np.uint32(2**32 - 1)  # saturated distance: longer ago than 49 days


@dataclass(frozen=True)
class Admitted:
    """What became of a batch of events.

    Attributes:
        slots, ts, values: released events, each series' in order of event time; values (n, C).
        late: indices into the batch of events that came after their time had been passed.
        duplicates: how many events repeated a series and time already seen.
    """

    slots: Ints
    ts: Ints
    values: Floats
    late: Ints
    duplicates: int


class EventClock:
    """The event-time state of one shard's series, addressed by slot.

    Args:
        out_of_orderness_ms: event time that a series waits for stragglers.
        hold_timeout_ms: wall-clock time after which a held event is released anyway; 0 = never.
    """

    def __init__(self, out_of_orderness_ms: int = 0, hold_timeout_ms: int = 0) -> None:
        self.bound = out_of_orderness_ms
        self.timeout = hold_timeout_ms
        self.last = np.zeros(0, np.int64)  # newest released event time
        self.newest = np.zeros(0, np.int64)  # newest event time seen
        self.recent = np.zeros((0, RECENT), np.uint32)  # distances of the released times before `last`, ms
        self.interval = np.zeros(0, np.int64)  # sampling interval, 0 = unknown
        self.held = np.zeros(0, np.int64)  # events held, per slot
        self.held_slots = np.zeros(0, np.int64)
        self.held_ts = np.zeros(0, np.int64)
        self.held_values = np.zeros((0, 1))
        self.held_since = np.zeros(0, np.int64)

    def grow(self, size: int) -> None:
        """Make room for slots below ``size``."""
        more = size - len(self.last)
        if more <= 0:
            return
        more = max(more, len(self.last), 64)
        self.last = np.concatenate([self.last, np.full(more, NEVER)])
        self.newest = np.concatenate([self.newest, np.full(more, NEVER)])
        self.recent = np.concatenate([self.recent, np.full((more, RECENT), _FAR)])
        self.interval = np.concatenate([self.interval, np.zeros(more, np.int64)])
        self.held = np.concatenate([self.held, np.zeros(more, np.int64)])

    def forget(self, slot: int) -> None:
        """Reset a slot that is to be reused."""
        self.last[slot] = self.newest[slot] = NEVER
        self.recent[slot] = _FAR
        self.interval[slot] = self.held[slot] = 0
        self._keep(self.held_slots != slot)

    def admit(self, slots: Ints, ts: Ints, values: Floats, now: int, final: bool = False) -> Admitted:
        """Take a batch in order of arrival.

        Args:
            slots: (n,) series.
            ts: (n,) event times, epoch ms.
            values: (n, C).
            now: wall clock, epoch ms; only compared with earlier ``now``.
            final: no more events will come: release everything.
        """
        status = np.empty(len(slots), np.uint8)
        _admit(slots, ts, self.bound, self.interval, self.last, self.newest, self.recent, self.held, status)
        late = np.flatnonzero(status == LATE)
        duplicates = int(np.count_nonzero(status == DUPLICATE))
        at_once = status == RELEASED
        if at_once.all():
            released = (slots, ts, values)
        else:
            released = (slots[at_once], ts[at_once], values[at_once])
            self._hold(slots, ts, values, status == HELD, now)
        if len(self.held_slots):
            *held, again = self._release(now, final)
            released = tuple(np.concatenate([a, b]) for a, b in zip(released, held, strict=True))  # type: ignore[assignment]
            duplicates += again
        return Admitted(*released, late, duplicates)

    def _hold(self, slots: Ints, ts: Ints, values: Floats, chosen: NDArray[np.bool_], now: int) -> None:
        width = max(values.shape[1], self.held_values.shape[1])
        self.held_slots = np.concatenate([self.held_slots, slots[chosen]])
        self.held_ts = np.concatenate([self.held_ts, ts[chosen]])
        self.held_values = np.concatenate([_widen(self.held_values, width), _widen(values[chosen], width)])
        self.held_since = np.concatenate([self.held_since, np.full(int(chosen.sum()), now)])

    def _release(self, now: int, final: bool) -> tuple[Ints, Ints, Floats, int]:
        order = np.lexsort((self.held_ts, self.held_slots))
        force = np.full(len(order), final)
        if self.timeout:
            force |= now - self.held_since >= self.timeout
        verdict = np.empty(len(order), np.uint8)
        slots, ts = self.held_slots[order], self.held_ts[order]
        _release(
            slots, ts, force[order], self.bound, self.interval, self.last, self.newest, self.recent, self.held, verdict
        )
        chosen = order[verdict == RELEASED]
        result = self.held_slots[chosen], self.held_ts[chosen], self.held_values[chosen]
        self._keep(np.isin(np.arange(len(order)), order[verdict == HELD]))
        return *result, int(np.count_nonzero(verdict == DUPLICATE))

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        self.held_slots, self.held_ts = self.held_slots[mask], self.held_ts[mask]
        self.held_values, self.held_since = self.held_values[mask], self.held_since[mask]


def _widen(values: Floats, width: int) -> Floats:
    missing = width - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan) if missing else values


@njit(cache=True)
def _pass(slot, t, last, recent):  # type: ignore[no-untyped-def]
    """Move a series' clock on to a released event."""
    step = min(t - last[slot], _FAR)
    for k in range(RECENT - 1, 0, -1):
        recent[slot, k] = min(recent[slot, k - 1] + step, _FAR)
    recent[slot, 0] = step
    last[slot] = t


@njit(cache=True)
def _admit(slots, ts, bound, interval, last, newest, recent, held, status):  # type: ignore[no-untyped-def]
    for i in range(len(slots)):
        slot, t = slots[i], ts[i]
        newest[slot] = max(newest[slot], t)
        ago = last[slot] - t
        if ago >= 0:
            seen = ago == 0
            for k in range(RECENT):
                seen |= ago == recent[slot, k]
            status[i] = DUPLICATE if seen else LATE
        elif held[slot] == 0 and (bound == 0 or (last[slot] != NEVER and -ago <= interval[slot])):
            _pass(slot, t, last, recent)
            status[i] = RELEASED
        else:
            held[slot] += 1
            status[i] = HELD


@njit(cache=True)
def _release(slots, ts, force, bound, interval, last, newest, recent, held, verdict):  # type: ignore[no-untyped-def]
    """Over held events sorted by (slot, time): release from the oldest on, up to the first that must wait."""
    waiting = np.int64(-1)
    for i in range(len(slots)):
        slot, t = slots[i], ts[i]
        if t == last[slot] or (i > 0 and slot == slots[i - 1] and t == ts[i - 1]):
            verdict[i] = DUPLICATE
            held[slot] -= 1
        elif slot != waiting and (
            force[i] or t <= newest[slot] - bound or (last[slot] != NEVER and t - last[slot] <= interval[slot])
        ):
            _pass(slot, t, last, recent)
            verdict[i] = RELEASED
            held[slot] -= 1
        else:
            waiting = slot
            verdict[i] = HELD
