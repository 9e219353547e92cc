"""Check that an event time far ahead makes no series deaf, and that a real gap loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.windowing.event_time import EventClock
from eddy.models.windowing.partitions import Origins

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_767_225_600_000


class One:
    """A clock with one series, fed event by event."""

    def __init__(self, interval=MINUTE, **fields):
        self.clock = EventClock(**fields)
        self.clock.grow(1)
        self.clock.interval[:] = interval
        self.released, self.late, self.ahead, self.back, self.duplicates = [], [], [], [], 0

    def send(self, *times, **fields):
        """Send times relative to START; what is released is noted relative to it, too."""
        ts = np.array(times, np.int64) + START
        got = self.clock.admit(
            np.zeros(len(ts), np.int64), ts, ts[:, None].astype(float), fields.pop("now", 0), **fields
        )
        assert (got.values[:, 0] == got.ts).all(), "values stay with their events"
        self.released += (got.ts - START).tolist()
        self.late += [times[i] for i in got.late]
        self.ahead += [(one.ts - START, one.last - START) for one in got.ahead]
        self.back += [(one.last - START, one.ts - START) for one in got.taken_back]
        self.duplicates += got.duplicates
        return got


@pytest.mark.parametrize("interval", [MINUTE, 0], ids=["interval", "no-interval"])
@pytest.mark.parametrize("live", [True, False])
def test_one_event_far_ahead_loses_itself_and_no_other(interval, live):
    one, times = One(interval), [k * MINUTE for k in range(1000)]
    times[30] += 23 * HOUR
    for t in times:
        one.send(t, **({"worker": START + t % HOUR} if live else {}))
    assert one.late == []
    assert one.ahead == [(times[30], 29 * MINUTE)]
    assert one.released == times[:30] + times[31:]


def test_first_event_of_a_series_may_be_the_one_far_ahead():
    one = One()
    for t in (23 * HOUR, 0, MINUTE, 2 * MINUTE):
        one.send(t, worker=START)
    assert (one.ahead, one.late) == ([(23 * HOUR, 0)], [])
    assert one.released == [0, MINUTE, 2 * MINUTE]


@pytest.mark.parametrize("bound", [0, 5 * MINUTE])
def test_gap_of_a_night_loses_nothing(bound):
    one = One(out_of_orderness_ms=bound)
    times = [0, MINUTE, 9 * HOUR, 9 * HOUR + MINUTE, 9 * HOUR + 2 * MINUTE]
    one.send(*times[:3])
    assert 9 * HOUR not in one.released, "it waits for the next one"
    one.send(*times[3:])
    one.send(final=True)
    assert (one.released, one.late, one.ahead) == (times, [], [])


def test_series_that_becomes_sparse_goes_on_one_event_behind():
    one = One()
    times = [0, MINUTE, *(k * 24 * HOUR for k in range(1, 6))]
    one.send(*times)
    assert one.released == times[:-1]
    one.send(final=True)
    assert (one.released, one.late, one.ahead) == (times, [], [])


def test_event_between_the_clocks_belongs_to_the_nearer_one():
    one = One()
    one.send(0, MINUTE, 9 * HOUR, 9 * HOUR - MINUTE, 9 * HOUR + MINUTE)
    assert one.released == [0, MINUTE, 9 * HOUR - MINUTE, 9 * HOUR, 9 * HOUR + MINUTE]


def test_event_sent_twice_does_not_confirm_itself():
    one = One()
    one.send(0, MINUTE, 23 * HOUR, 23 * HOUR, 0, 2 * MINUTE)
    assert (one.released, one.ahead) == ([0, MINUTE, 2 * MINUTE], [(23 * HOUR, MINUTE)])
    assert one.duplicates == 2


def test_parked_event_is_released_after_the_time_out_unless_it_is_in_the_future():
    for worker, released in ((START + 9 * HOUR, [0, MINUTE, 9 * HOUR]), (START + HOUR, [0, MINUTE])):
        one = One(hold_timeout_ms=5000)
        one.send(0, MINUTE, 9 * HOUR, worker=worker, now=1000)
        one.send(worker=worker, now=5999)
        assert one.released == [0, MINUTE]
        one.send(worker=worker, now=6000)
        assert one.released == released
        one.send(worker=START + 9 * HOUR, now=7000)
        assert one.released == [0, MINUTE, 9 * HOUR], "the worker's clock has come to it"


def test_wrong_clock_is_taken_back():
    one = One()
    one.send(0, MINUTE, 23 * HOUR, 23 * HOUR + MINUTE, worker=START + 2 * MINUTE)
    assert one.released[-1] == 23 * HOUR + MINUTE, "a second event confirmed it"
    one.send(4 * MINUTE, 5 * MINUTE, 23 * HOUR, worker=START + 5 * MINUTE)
    assert one.back == [(23 * HOUR + MINUTE, 4 * MINUTE)]
    assert (one.released[-2:], one.late) == ([4 * MINUTE, 5 * MINUTE], [])


@pytest.mark.parametrize(
    ("worker", "record"), [(24 * HOUR, 0), (0, 24 * HOUR)], ids=["it-is-that-late", "the-workers-clock-is-wrong"]
)
def test_late_events_do_not_take_a_right_clock_back(worker, record):
    one = One()
    one.send(0, MINUTE, 23 * HOUR, 23 * HOUR + MINUTE, worker=START + worker)
    one.send(
        4 * MINUTE,
        worker=START + worker,
        origins=Origins(np.array([START + record]), np.zeros(1, np.int32), np.zeros(1, bool)),
    )
    assert (one.back, one.late) == ([], [4 * MINUTE])


def test_held_events_leave_before_their_clock_is_taken_back():
    one = One(out_of_orderness_ms=10 * MINUTE, interval=0)
    one.send(23 * HOUR, 23 * HOUR + 15 * MINUTE, 23 * HOUR + 20 * MINUTE, worker=START)
    assert one.released == [23 * HOUR]
    (back,) = one.send(0, 11 * MINUTE, worker=START + 11 * MINUTE).taken_back
    assert back.at == 2
    assert one.released == [23 * HOUR, 23 * HOUR + 15 * MINUTE, 23 * HOUR + 20 * MINUTE, 0]


def test_parked_event_survives_a_restore():
    one = One()
    one.send(0, MINUTE, 23 * HOUR, worker=START)
    other = One()
    other.clock.last[:], other.clock.newest[:] = one.clock.last, one.clock.newest
    other.clock.restore(one.clock.held())
    (found,) = other.send(2 * MINUTE, worker=START).ahead
    assert (found.ts - START, found.last - START, found.place) == (23 * HOUR, MINUTE, -1)
    assert other.clock.waiting == other.clock.parked == 0


def test_forgotten_series_names_its_parked_event():
    one = One()
    one.send(0, MINUTE, 23 * HOUR, worker=START)
    (found,) = one.clock.forget(np.array([0]))
    assert (found.ts - START, found.place) == (23 * HOUR, -1)
    assert one.clock.waiting == one.clock.parked == 0
    one.send(5, worker=START)
    assert one.released == [0, MINUTE, 5]


STEPS = st.lists(st.sampled_from([0, 1, 1, 1, 2, 5, -1, -3, 100, 400, -100, -400]), min_size=1, max_size=40)


@given(STEPS, st.sampled_from([0, 3 * MINUTE]), st.sampled_from([0, 200, 10**6]))
@settings(max_examples=200, deadline=None)
def test_every_event_is_accounted_for_and_batches_change_nothing(steps, bound, worker):
    times = (np.cumsum(steps) * MINUTE).tolist()

    def run(batch):
        one = One(out_of_orderness_ms=bound)
        for at in range(0, len(times), batch):
            one.send(*times[at : at + batch], worker=START + worker * MINUTE)
        one.send(final=True)
        assert one.clock.waiting == one.clock.parked == 0
        return one

    whole = run(len(times))
    assert len(whole.released) + len(whole.late) + len(whole.ahead) + whole.duplicates == len(times)
    if not whole.back:
        assert whole.released == sorted(set(whole.released))
    for batch in (1, 3):
        one = run(batch)
        for name in ("released", "late", "ahead", "back", "duplicates"):
            assert getattr(one, name) == getattr(whole, name), name
