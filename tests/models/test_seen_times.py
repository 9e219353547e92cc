"""Check that events that are sent again are duplicates, in bounded memory, and that no other event is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.windowing import seen_times
from eddy.models.windowing.event_time import NEVER, EventClock
from eddy.models.windowing.seen_times import RING, RUNS, SMALL_RING

START = 1_767_225_600_000


def clock_of(size=1):
    clock = EventClock()
    clock.grow(size)
    return clock


def send(clock, times, slot=0, batch=997):
    """Admit events; returns (released, late, duplicates)."""
    found = np.zeros(3, np.int64)
    for at in range(0, len(times), batch):
        ts = np.asarray(times[at : at + batch], np.int64)
        got = clock.admit(np.full(len(ts), slot), ts, np.zeros((len(ts), 1)), 0)
        found += len(got.ts), len(got.late), got.duplicates
    return tuple(found.tolist())


def saved(clock):
    other = clock_of(len(clock.last))
    part = slice(0, len(clock.last))
    other.last[:], other.newest[:] = clock.last, clock.newest
    other.times.restore(part, clock.times.saved(part, clock.last))
    return other


def regular(n):
    return START + 60_000 * np.arange(n)


def with_holes(n):
    return np.delete(regular(n), [n // 10 * k for k in range(1, 10)])


def uneven(n):
    return regular(n) + np.random.default_rng(7).integers(-900, 900, n)


@pytest.mark.parametrize("times", [regular(50_000), with_holes(5_000), uneven(2 * RING)[-RING:]], ids=len)
def test_second_sending_is_duplicate_and_not_late(times):
    clock = clock_of()
    assert send(clock, times) == (len(times), 0, 0)
    assert send(clock, times) == (0, 0, len(times))
    assert send(clock, times[-900:] + 1) == (1, 899, 0), "other times of the same span are late"


def test_regular_series_remembers_over_a_restart():
    times = with_holes(5_000)
    clock = clock_of()
    send(clock, times)
    assert send(saved(clock), times) == (0, 0, len(times))


def test_uneven_series_remembers_its_newest_times_over_a_restart():
    times = uneven(3 * RING)
    clock = clock_of()
    send(clock, times)
    assert send(clock, times[-RING:]) == (0, 0, RING)
    again = saved(clock)
    assert send(again, times[-RUNS - 1 :]) == (0, 0, RUNS + 1)
    assert send(again, times[-RUNS - 2 :][:1]) == (0, 1, 0), "what is not remembered is a dead letter"


def test_memory_is_bounded_and_a_series_without_a_ring_remembers_less(monkeypatch):
    monkeypatch.setattr(seen_times, "RING_BYTES", 3 * 4 * RING)
    clock, times = clock_of(9), uneven(500)
    for slot in range(9):
        send(clock, times, slot)
    found = [send(clock, times, slot)[2] for slot in range(9)]
    assert found == [500] * 3 + [SMALL_RING] * 6
    clock.forget(np.arange(3))
    assert send(clock, times, 0) == (500, 0, 0)
    assert send(clock, times, 0) == (0, 0, 500), "the ring of a forgotten series is given to another"


def test_state_of_earlier_versions_is_read():
    """They kept the distances of eight times before the last one; the largest number stands for none."""
    clock = clock_of(3)
    distances = np.full((2, 8), 2**32 - 1, np.uint32)
    distances[0, :3] = 10, 20, 50
    clock.last[:2] = clock.newest[:2] = START, NEVER
    clock.times.restore_distances(slice(0, 2), clock.last[:2], distances)
    back = [0, 10, 20, 50, 15, 60]
    assert send(clock, [START - one for one in back]) == (0, 2, 4)
    assert send(clock, [START], 1) == (1, 0, 0)


TIMES = st.lists(st.sampled_from([1, 1, 1, 1, 2, 3, 7]), min_size=1, max_size=120)


@given(TIMES, st.integers(1, 9), st.booleans(), st.sampled_from([0, 1, 10**6]))
@settings(max_examples=150, deadline=None)
def test_what_is_remembered_is_exact(steps, batch, restart, rings):
    """Whatever form it is kept in: a time that was released is a duplicate or late, any other one is late."""
    old, seen_times.RING_BYTES = seen_times.RING_BYTES, rings * 4 * RING
    try:
        clock, times = clock_of(), np.cumsum(steps)
        send(clock, times, batch=batch)
        if restart:
            clock = saved(clock)
        released = set(times.tolist())
        found = {t for t in range(int(times[-1]) + 1) if send(clock, [t])[2]}
        assert found <= released
        newest = sorted(released)[-RUNS - 1 :]
        assert found >= set(newest)
    finally:
        seen_times.RING_BYTES = old
