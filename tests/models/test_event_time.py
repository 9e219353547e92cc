"""Check event time: any arrival order within the bound gives the same order, and no event is lost uncounted."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.windowing.event_time import EventClock

EVENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), min_size=1, max_size=60)


def run(events, bound, batch, interval=0, final=True):
    """Feed events (slot, ts) in batches; returns (released, late, duplicates)."""
    clock = EventClock(bound)
    clock.grow(3)
    clock.interval[:] = interval
    released, late, duplicates = [], [], 0
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        slots = np.array([slot for slot, _ in part], np.int64)
        ts = np.array([t for _, t in part], np.int64)
        got = clock.admit(slots, ts, ts[:, None].astype(float), 0, final and start + batch >= len(events))
        assert (got.values[:, 0] == got.ts).all(), "values stay with their events"
        released += list(zip(got.slots.tolist(), got.ts.tolist(), strict=True))
        late += [part[i] for i in got.late]
        duplicates += got.duplicates
    assert clock.waiting == (0 if final else len(clock.held().ts))
    return released, late, duplicates


@given(EVENTS, st.integers(0, 20), st.sampled_from([0, 1, 5]))
@settings(max_examples=200, deadline=None)
def test_released_events_do_not_depend_on_batches(events, bound, interval):
    whole = run(events, bound, len(events), interval)
    for batch in (1, 2, 7):
        found = run(events, bound, batch, interval)
        assert sorted(found[0]) == sorted(whole[0])
        assert found[1:] == whole[1:]


@given(EVENTS, st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_each_series_is_released_in_order_and_no_event_is_lost(events, bound):
    released, late, duplicates = run(events, bound, 4)
    for slot in range(3):
        times = [t for s, t in released if s == slot]
        assert times == sorted(set(times))
    assert len(released) + len(late) + duplicates == len(events)


@given(st.sets(st.integers(0, 200), min_size=1, max_size=50), st.integers(1, 30), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_disorder_within_the_bound_is_sorted(times, bound, random):
    ordered = [(0, t) for t in sorted(times)]
    shuffled = sorted(ordered, key=lambda event: event[1] + random.uniform(0, bound))
    released, late, duplicates = run(shuffled, bound, 5)
    assert released == ordered
    assert not late
    assert not duplicates


def test_next_point_of_a_regular_series_is_released_at_once():
    clock = EventClock(out_of_orderness_ms=1000)
    clock.grow(1)
    clock.interval[0] = 10
    slots = np.zeros(1, np.int64)

    def admit(t):
        return clock.admit(slots, np.array([t]), np.zeros((1, 1)), 0).ts.tolist()

    assert admit(0) == [], "nothing says that it is the first"
    assert admit(1000) == [0], "the watermark passes 0; 1000 is far from it and waits"
    for t in range(10, 990, 10):
        assert admit(t) == [t], "follows the last one within the interval"
    assert admit(990) == [990, 1000]


def test_late_events_and_duplicates_are_counted_separately():
    clock = EventClock()
    clock.grow(1)
    ts = np.array([10, 20, 30, 20, 15, 30])
    got = clock.admit(np.zeros(6, np.int64), ts, np.zeros((6, 1)), 0)
    assert got.ts.tolist() == [10, 20, 30]
    assert got.duplicates == 2
    assert got.late.tolist() == [4]


def test_held_events_are_released_after_the_timeout_and_survive_a_restore():
    clock = EventClock(out_of_orderness_ms=100, hold_timeout_ms=50)
    clock.grow(2)
    slots, ts = np.array([0, 1, 0]), np.array([5, 7, 3])
    assert not len(clock.admit(slots, ts, ts[:, None].astype(float), 1000).ts)
    other = EventClock(out_of_orderness_ms=100, hold_timeout_ms=50)
    other.grow(2)
    other.last[:2], other.newest[:2] = clock.last[:2], clock.newest[:2]
    other.restore(clock.held())
    nothing = np.zeros(0, np.int64)
    assert not len(other.admit(nothing, nothing, np.zeros((0, 1)), 1049).ts)
    got = other.admit(nothing, nothing, np.zeros((0, 1)), 1050)
    assert list(zip(got.slots.tolist(), got.ts.tolist(), strict=True)) == [(0, 3), (0, 5), (1, 7)]
    assert other.waiting == 0


def held(clock):
    found = clock.held()
    return sorted(zip(found.slots.tolist(), found.ts.tolist(), found.values[:, 0].tolist(), strict=True))


@given(EVENTS, st.integers(0, 2), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_forgotten_series_loses_its_held_events_and_no_other(events, slot, batch):
    clock = EventClock(out_of_orderness_ms=1000)  # everything is held
    clock.grow(3)
    expected: dict[tuple[int, int], None] = {}
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        slots, ts = (np.array(column, np.int64) for column in zip(*part, strict=True))
        clock.admit(slots, ts, ts[:, None].astype(float), 0)
        expected |= dict.fromkeys(part)
        clock.forget(np.array([slot]))
        expected = {one: None for one in expected if one[0] != slot}
        assert held(clock) == sorted((s, t, float(t)) for s, t in expected)
        assert clock.waiting == len(expected)
    nothing = np.zeros(0, np.int64)
    released = clock.admit(nothing, nothing, np.zeros((0, 1)), 0, final=True)
    assert [(s, t) for s, t in zip(released.slots.tolist(), released.ts.tolist(), strict=True)] == sorted(expected)


def seconds(action):
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def test_cost_of_holding_and_forgetting_does_not_grow_with_what_is_held():
    """Per event and per series, 16 times as many held events cost about the same; walking them all, 16 times."""

    def costs(n):
        hold, forget = [], []
        for _ in range(3):
            clock = EventClock(out_of_orderness_ms=10**9)
            clock.grow(200)
            ts = np.arange(n, dtype=np.int64)
            values = np.zeros((n, 1))
            hold.append(seconds(lambda c=clock, t=ts, v=values: c.admit(np.zeros(len(t), np.int64), t, v, 0)) / n)
            forget.append(seconds(lambda c=clock: [c.forget(np.array([slot])) for slot in range(1, 200)]))
            assert clock.waiting == n
        return min(hold), min(forget)

    costs(10)  # compiles
    small, large = costs(10_000), costs(160_000)
    assert large[0] < 6 * small[0]
    assert large[1] < 6 * small[1]
