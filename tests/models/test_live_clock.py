"""Check that event time goes on by itself for what is live, and for nothing else."""

from __future__ import annotations

import pytest

from eddy.models.windowing.live_clock import LiveClock

NOW = 1_760_000_000_000
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


def replayed(speed: float, start: int, seconds: int, every: float = 1.0) -> LiveClock:
    """A feed whose event time runs so many times faster than the wall clock, from ``start`` on."""
    clock = LiveClock()
    for k in range(int(seconds / every)):
        passed = k * every * SECOND
        clock.note(int(start + passed * speed), int(NOW + passed))
    return clock


def test_live_feed_goes_on_when_it_stops():
    clock = replayed(1, NOW - 300, 60)
    assert clock.live
    assert clock.at(clock.noted + 10 * MINUTE) == NOW - 300 + 59 * SECOND + 10 * MINUTE


@pytest.mark.parametrize("speed", [1.1, 2, 10, 100, 100_000])
@pytest.mark.parametrize("began", [DAY, 28 * DAY])
def test_replay_is_never_live_nor_after_its_end(speed, began):
    start = NOW - began
    clock = LiveClock()
    for k in range(3600):
        event = int(start + k * SECOND * speed)
        if event > NOW - 10 * MINUTE:  # the newest that there is
            break
        clock.note(event, NOW + k * SECOND)
        assert not clock.live
    assert clock.at(NOW + 7 * DAY) == clock.event


def test_replay_into_the_future_is_not_live():
    clock = replayed(1000, NOW + DAY, 600)
    assert not clock.live
    assert clock.at(NOW + DAY) == clock.event


def test_hiccup_of_a_replay_moves_nothing():
    clock = replayed(50, NOW - 90 * DAY, 300)
    before = clock.event or 0
    assert clock.at(clock.noted + 10 * MINUTE) == before
    clock.note(before + HOUR, clock.noted + 10 * MINUTE)
    assert not clock.live


def test_feed_that_is_an_hour_behind_is_live_once_that_has_been_so_for_minutes():
    early, later = replayed(1, NOW - HOUR, 240), replayed(1, NOW - HOUR, 400)
    assert not early.live
    assert later.live
    assert later.at(later.noted + 5 * MINUTE) == (later.event or 0) + 5 * MINUTE


@pytest.mark.parametrize("skew", [-90 * MINUTE, 90 * MINUTE, -30 * SECOND, 30 * SECOND])
def test_producers_with_a_wrong_clock_are_live(skew):
    clock = replayed(1, NOW + skew, 700, every=10)
    assert clock.live
    assert clock.at(clock.noted + MINUTE) == (clock.event or 0) + MINUTE


def test_feed_that_catches_up_is_live_when_it_has():
    clock = LiveClock()
    seen = set()
    for k in range(61):  # a minute in each second
        clock.note(NOW - HOUR + k * MINUTE, NOW + k * SECOND)
        assert clock.live == (clock.noted - (clock.event or 0) <= 2 * MINUTE)
        seen.add(clock.live)
    assert seen == {False, True}


def test_old_events_and_repeats_change_nothing():
    clock = replayed(1, NOW, 60)
    before = vars(clock).copy()
    clock.note(NOW, NOW + HOUR)
    assert vars(clock) == before


def test_restart_does_not_count_as_silence():
    clock = LiveClock()
    clock.resume(NOW - DAY, NOW)
    assert clock.at(NOW) == NOW - DAY
    assert clock.at(NOW + MINUTE) == NOW - DAY + MINUTE
    clock.note(NOW - DAY + MINUTE, NOW + MINUTE)
    assert not clock.live, "it reads what came meanwhile"


def test_nothing_is_known_before_the_first_event():
    assert LiveClock().at(NOW) is None
    assert not LiveClock().live
