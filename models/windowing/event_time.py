"""Put each series' events in order of event time; find late events, duplicates, and events far ahead.

Each series has a watermark of its own, its newest event time less the allowed out-of-orderness, so that a slow series
is never made late by a fast one. An event is released when the watermark passes it, or at once if no earlier event can
still come: no out-of-orderness is allowed, or it follows the last one within the sampling interval.

One event far ahead would make all that follow late. It is parked until the next event of its series says which clock is
right: if that one lies nearer to it than to the series' newest, both are released; if the series goes on where it was,
the parked event is given up. See docs/decisions/072-event-times-far-ahead.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eddy.models.core.detector import Floats, Ints
from eddy.models.windowing.event_time_kernel import DUPLICATE, LATE, NEVER, PARKED, TOLERANCE_MS, admit_all, expire
from eddy.models.windowing.held_events import NONE, Held, HeldEvents, widen
from eddy.models.windowing.partitions import Origins, PartitionWatch
from eddy.models.windowing.seen_times import SeenTimes

__all__ = ["NEVER", "Admitted", "Ahead", "EventClock", "Held", "TakenBack"]

ALWAYS = -NEVER  # a worker's clock that no event time is ahead of
_NOWHERE = np.zeros(0, np.int64)


class Ahead(NamedTuple):
    """An event that was given up: its time ``ts`` was far after ``last``, the series' newest, and the next one's not.

    ``place`` is its index in the batch; -1: it came in an earlier one.
    """

    slot: int
    ts: int
    last: int
    place: int


class TakenBack(NamedTuple):
    """A series' clock that was wrong: it had come to ``last``, and goes on at ``ts``; ``at`` counts released events."""

    slot: int
    last: int
    ts: int
    at: int


@dataclass(frozen=True)
class Admitted:
    """Report what happened to a batch of events.

    Attributes:
        slots, ts, values: released events, each series' in order of event time; values (n, C).
        late: indices into the batch of events that came after the watermark had passed them.
        duplicates: number of events that repeated a series and time already seen.
        parked: indices into the batch of events that wait to be confirmed.
        ahead: parked events that were given up.
        taken_back: clocks that were taken back, in order.
    """

    slots: Ints
    ts: Ints
    values: Floats
    late: Ints
    duplicates: int
    parked: Ints
    ahead: list[Ahead]
    taken_back: list[TakenBack]


class EventClock:
    """Keep the event-time state of one shard's series, by slot. Results do not depend on how events are batched.

    Args:
        out_of_orderness_ms: event time for which a series waits for events that come out of order.
        hold_timeout_ms: time after which a held event is released anyway; 0 = never.
    """

    def __init__(self, out_of_orderness_ms: int = 0, hold_timeout_ms: int = 0) -> None:
        self.bound = out_of_orderness_ms
        self.timeout = hold_timeout_ms
        self.last = np.zeros(0, np.int64)  # newest released event time
        self.newest = np.zeros(0, np.int64)  # newest event time seen
        self.interval = np.zeros(0, np.int64)  # sampling interval, 0 = unknown
        self.times = SeenTimes()
        self.partitions = PartitionWatch()
        self._held = HeldEvents()

    @property
    def waiting(self) -> int:
        """Count the events that are held."""
        return self._held.count

    @property
    def parked(self) -> int:
        """Count the events that wait to be confirmed."""
        return self._held.parked

    def parked_slots(self) -> set[int]:
        """Return the slots whose series have one."""
        return self._held.parked_slots()

    def grow(self, size: int) -> None:
        """Make room for slots below ``size``."""
        more = size - len(self.last)
        if more <= 0:
            return
        more = max(more, len(self.last), 64)
        self.last = np.concatenate([self.last, np.full(more, NEVER)])
        self.newest = np.concatenate([self.newest, np.full(more, NEVER)])
        self.interval = np.concatenate([self.interval, np.zeros(more, np.int64)])
        self.times.grow(more)
        self.partitions.grow(more)
        self._held.grow(more)

    def forget(self, slots: Ints) -> list[Ahead]:
        """Reset slots that are to be reused, each once; costs what their own held events cost. Returns the parked."""
        at, times = self._held.parked_times(slots)
        columns = (at.tolist(), times.tolist(), self.newest[at].tolist())
        parked = [Ahead(*one, NONE) for one in zip(*columns, strict=True)]
        self.last[slots] = self.newest[slots] = NEVER
        self.interval[slots] = 0
        self.times.forget(slots)
        self.partitions.forget(slots)
        self._held.forget(slots)
        return parked

    def held(self) -> Held:
        """Return all events that wait."""
        return self._held.events()

    def restore(self, held: Held) -> None:
        """Put :meth:`held` events back, in place of all that wait now."""
        self._held.restore(held)

    def postpone(self, elapsed: int) -> None:
        """Treat every held event as come that much later: the time that the job was down counts for none."""
        self._held.postpone(elapsed)
        self.partitions.postpone(elapsed)

    def admit(
        self,
        slots: Ints,
        ts: Ints,
        values: Floats,
        now: int,
        final: bool = False,
        worker: int = ALWAYS,
        origins: Origins | None = None,
        early: bool = False,
    ) -> Admitted:
        """Admit a batch in order of arrival; release what is due.

        Args:
            slots: (n,) slot of each event's series.
            ts: (n,) event times, epoch ms.
            values: (n, C).
            now: steady clock, epoch ms; only compared with earlier values.
            final: no more events will come, so release everything.
            worker: wall clock, epoch ms; an event time after it is in the future. Default: none is.
            origins: of the events. Times of records after the worker's clock say that it may be wrong; events of a
                series that comes over several partitions wait for the time-out, if there is one.
            early: release all that is held but what waits to be confirmed: too much is held.
        """
        n, held = len(slots), self._held
        values = widen(values, held.reserve(n, values.shape[1]))
        size = n + held.count
        out = (np.empty(size, np.int64), np.empty(size, np.int64), np.empty((size, values.shape[1])))
        status = np.zeros(n, np.uint8)
        given_up, taken_back = np.empty((n, 4), np.int64), np.empty((n, 4), np.int64)
        rules = (self.bound, now, worker + TOLERANCE_MS)
        sure = np.zeros(0, np.int64) if origins is None else origins.times + TOLERANCE_MS
        if origins is not None and n and self.timeout:
            self.partitions.follow(slots, origins, now)
        spread = self.partitions.until if self.partitions.any and self.timeout else np.zeros(0, np.int64)
        series = (self.last, self.newest, self.interval, self.times.kernel())
        counts = np.array([held.free, held.count, held.parked, 0, 0, 0, 0], np.int64)
        events = (slots, ts, values, sure, spread)
        admit_all(events, rules, series, held.kernel(), out, status, given_up, taken_back, counts)
        if counts[1] and (final or early or self.timeout):
            end = np.iinfo(np.int64).max
            until = (end, end) if final else (end if early else now - self.timeout, rules[2])
            expire(until, self.bound, series, held.kernel(), out, status, counts)
        held.free, held.count, held.parked, released, ahead, back, rings = counts.tolist()
        if rings or self.times.asked:
            self.times.give_rings(self.last, out[0][:released], out[1][:released])
        late = parked = _NOWHERE
        duplicates = 0
        if status.any():  # else all of them were released
            late, parked = np.flatnonzero(status == LATE), np.flatnonzero(status == PARKED)
            duplicates = int(np.count_nonzero(status == DUPLICATE))
            held.settle(slots[parked])
        return Admitted(
            out[0][:released],
            out[1][:released],
            out[2][:released],
            late,
            duplicates,
            parked,
            [Ahead(*one) for one in given_up[:ahead].tolist()] if ahead else [],
            [TakenBack(*one) for one in taken_back[:back].tolist()] if back else [],
        )
