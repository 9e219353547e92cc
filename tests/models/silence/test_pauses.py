"""Check what counts as a silence, on the shapes that series have outside."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from eddy.models.silence.kernel import AUTO, MIN_SILENCE_MS
from eddy.models.silence.pauses import EVER, PauseTable, Silence
from tests.models.silence.streams import (
    BERLIN,
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    days,
    epoch,
    opening_hours,
    poisson,
    silences,
)


def business(day: date) -> tuple[float, float] | None:
    return (8, 18) if day.weekday() < 5 else None


def without(ts, day: date, zone=None):
    return ts[(ts < epoch(day, 0, zone)) | (ts >= epoch(day + timedelta(days=1), 0, zone))]


@pytest.mark.parametrize("week", [2, 3])
def test_business_hours_raise_one_silence_and_that_on_the_dead_wednesday(week):
    dead = MONDAY + timedelta(days=7 * week + 2)
    (found,) = silences(without(opening_hours(MONDAY, 4, business), dead))
    assert found.last == epoch(dead - timedelta(days=1), 18) - MINUTE
    assert found.open == epoch(dead, 9) + 3 * MINUTE, "the hour after opening does not count"
    assert (found.usual, found.allowed) == (MINUTE, 3 * MINUTE)
    assert found.silent == 8 * HOUR, "of the hours 8 to 18 the first and the last do not count"
    assert found.until == epoch(dead + timedelta(days=1), 8)


@pytest.mark.parametrize("change", [date(2025, 3, 30), date(2025, 10, 26)])
def test_changes_of_summer_time_raise_nothing_and_a_dead_day_after_them_is_noticed(change):
    first = change - timedelta(days=change.weekday() + 28)
    ts = opening_hours(first, 9, business, BERLIN)
    assert silences(ts) == []
    dead = change + timedelta(days=3)
    (found,) = silences(without(ts, dead, BERLIN))
    assert epoch(dead, 8, BERLIN) < found.open < epoch(dead, 11, BERLIN)


SHAPES = {
    "two shifts": lambda day: (6, 22) if day.weekday() < 6 else None,
    "weekends only": lambda day: (10, 18) if day.weekday() >= 5 else None,
    "short Fridays": lambda day: (7, 14 if day.weekday() == 4 else 17) if day.weekday() < 5 else None,
    "unpunctual": lambda day: (8 + (day.toordinal() * 7 % 11) / 12, 18 - (day.toordinal() * 5 % 7) / 8),
    "night shift": lambda day: (22, 30) if day.weekday() < 5 else None,
    "never closed": lambda _day: (0, 24),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zone", [None, BERLIN], ids=["UTC", "Berlin"])
def test_usual_hours_raise_nothing_over_half_a_year(shape, zone):
    if shape == "unpunctual" and zone is not None:
        pytest.skip("with the change of summer time in one week: up to three, see docs/alerts.md")
    assert silences(opening_hours(date(2025, 1, 8), 26, SHAPES[shape], zone)) == []


@pytest.mark.parametrize("shape", ["two shifts", "never closed", "night shift", "short Fridays"])
def test_a_stop_of_two_hours_within_the_usual_ones_is_noticed(shape):
    ts = opening_hours(MONDAY, 4, SHAPES[shape])
    stop = epoch(MONDAY + timedelta(days=22), 9 if shape != "night shift" else 24)
    (found,) = silences(ts[(ts <= stop) | (ts >= stop + 2 * HOUR)])
    assert (found.last, found.open - found.last) == (stop, 3 * MINUTE)


def test_a_holiday_of_one_week_is_one_silence_and_does_not_change_what_is_usual():
    ts = opening_hours(MONDAY, 8, business)
    begin, end = epoch(MONDAY + timedelta(days=28)), epoch(MONDAY + timedelta(days=35))
    (found,) = silences(ts[(ts < begin) | (ts >= end)])
    assert found.open == begin + 9 * HOUR + 3 * MINUTE


def test_first_saturday_and_first_day_do_not_count():
    flow = np.arange(epoch(MONDAY), epoch(MONDAY) + 14 * DAY, MINUTE)
    gap = lambda day, hours: silences(flow[(flow < (a := epoch(day, 10))) | (flow >= a + hours * HOUR)])  # noqa: E731
    saturday = MONDAY + timedelta(days=5)
    assert gap(saturday, 5) == []
    assert len(gap(saturday + timedelta(days=7), 5)) == 1
    assert gap(MONDAY, 2) == []
    assert len(gap(MONDAY + timedelta(days=2), 2)) == 1


RATES = [1 / 60, 1 / 10, 1, 10, 100, 1000]


@pytest.mark.parametrize("per_s", RATES)
def test_poisson_streams_raise_nothing_while_they_flow_and_a_stop_is_noticed(per_s):
    """Five million events of each rate: four weeks of 124 series at one a minute, over an hour at 1,000 a second.

    They come after a day in which nothing is followed, of fast streams at a fiftieth of the rate.
    """
    rng = np.random.default_rng(round(per_s * 1000))
    start, length = epoch(MONDAY), int(min(28 * DAY, 5_000_000 / per_s * 1000))
    series = max(round(5_000_000 / (per_s * length / 1000)), 1)
    table = PauseTable()
    table.grow(series)
    table.add_feeds(series)
    table.bind(np.arange(series), [AUTO] * series)
    for row in range(series):
        first = poisson(per_s / 50 if per_s > 10 else per_s, start, DAY, rng)
        ts = np.concatenate([first, poisson(per_s, start + DAY, length, rng)])
        at = np.full(len(ts), row)
        assert table.observe(at, ts, at) == []
    found = table.fallen_silent(table.clocks + 7 * DAY)
    assert len(found) == series
    assert max(one.allowed for one in found) <= max(60 / per_s * 1000, MIN_SILENCE_MS)


def test_bursts_and_jitter_raise_nothing():
    rng = np.random.default_rng(5)
    start = epoch(MONDAY)
    bursts = np.sort((poisson(1 / 300, start, 28 * DAY, rng)[:, None] + np.arange(10) * 200).ravel())
    jittered = start + np.arange(28 * 1440) * MINUTE + rng.integers(0, MINUTE, 28 * 1440)
    assert silences(bursts, jittered) == []


@pytest.mark.parametrize(("per_s", "series", "length"), [(1 / 60, 1500, 3 * DAY), (1 / 600, 600, 10 * DAY)])
def test_random_arrivals_raise_nothing_in_the_first_days(per_s, series, length):
    """The longest pause of a day may be short by chance: twice that alone gives 2 and 3 false alerts here."""
    rng = np.random.default_rng(7)
    assert silences(*(poisson(per_s, epoch(MONDAY), length, rng) for _ in range(series))) == []


def test_an_outage_does_not_become_usual():
    ts = opening_hours(MONDAY, 3, business)
    first, second = epoch(MONDAY + timedelta(days=15), 10), epoch(MONDAY + timedelta(days=16), 10)
    kept = ((ts <= first) | (ts >= first + 4 * HOUR)) & ((ts <= second) | (ts >= second + HOUR))
    found = silences(ts[kept])
    assert [(one.last, one.allowed) for one in found] == [(first, 3 * MINUTE), (second, 6 * MINUTE)]


def test_a_series_that_becomes_slower_for_good_is_reported_a_few_times_only():
    start = epoch(MONDAY)
    fast, slow = np.arange(start, start + 14 * DAY, MINUTE), np.arange(start + 14 * DAY, start + 42 * DAY, HOUR // 2)
    found = silences(np.concatenate([fast, slow]))
    assert 0 < len(found) < 8
    assert found[-1].open < start + 15 * DAY


def test_slow_series_are_followed_though_not_every_hour_has_an_event():
    start = epoch(MONDAY)
    hourly = start + np.arange(28 * 24) * HOUR + np.random.default_rng(1).integers(-60_000, 60_000, 28 * 24)
    assert silences(hourly) == []
    stop = 20 * 24
    (found,) = silences(np.concatenate([hourly[:stop], hourly[stop + 24 :]]))
    assert found.open - found.last < 6 * HOUR


def test_results_do_not_depend_on_batches_and_out_of_order_events_are_no_pause():
    dead = MONDAY + timedelta(days=16)
    ts = without(opening_hours(MONDAY, 4, business), dead)
    rng = np.random.default_rng(3)
    ts = ts[np.argsort(ts + rng.integers(0, 5 * MINUTE, len(ts)), kind="stable")]
    expected = silences(ts)
    assert len(expected) == 1
    for size in (1, 7, 1000):
        table = PauseTable()
        table.grow(1)
        table.add_feeds(1)
        table.bind(np.zeros(1, int), [AUTO])
        found: list[Silence] = []
        for at in range(0, len(ts), size) if size > 1 else range(2000):
            part = ts[at : at + size]
            found += table.observe(np.zeros(len(part), int), part, np.zeros(len(part), int))
        assert found == (expected if size > 1 else [])


def test_fixed_length_is_plain_time_and_needs_no_history():
    table = PauseTable()
    table.grow(1)
    table.add_feeds(1)
    table.bind(np.zeros(1, int), [10 * MINUTE])
    zero = np.zeros(1, int)
    assert table.observe(zero, np.array([0]), zero) == []
    assert table.fallen_silent(np.array([10 * MINUTE])) == []
    (found,) = table.fallen_silent(np.array([10 * MINUTE + 1]))
    assert (found.open, found.usual, found.silent) == (10 * MINUTE, 0, 10 * MINUTE)
    assert table.fallen_silent(np.array([HOUR])) == [], "it is open already"


def test_series_that_comes_late_is_measured_by_how_late_it_usually_is():
    """Devices that upload a quarter of an hour at once: the clock of their feed is ahead of all but the last."""
    start = epoch(MONDAY)
    table = PauseTable()
    table.grow(2)
    table.add_feeds(1)
    table.bind(np.arange(2), [AUTO, AUTO])
    found = []
    for chunk in range(3 * 96):
        for row in (0, 1):
            ts = start + chunk * 15 * MINUTE + np.arange(15) * MINUTE
            if row == 0 or chunk < 250:
                found += table.observe(np.full(15, row), ts, np.zeros(15, int))
            found += table.fallen_silent(table.clocks)
    (one,) = found
    assert (one.row, one.last) == (1, start + 250 * 15 * MINUTE - MINUTE)


def test_one_series_with_a_wrong_clock_makes_no_other_silent():
    start = epoch(MONDAY)
    table = PauseTable()
    table.grow(3)
    table.add_feeds(1)
    table.bind(np.arange(3), [AUTO] * 3)
    ts = np.repeat(np.arange(start, start + 3 * DAY, MINUTE), 3)
    rows = np.tile([0, 1, 2], len(ts) // 3)
    late = np.flatnonzero((rows != 2) | (ts > start + 2 * DAY))  # the third comes on the third day …
    rows, ts = rows[late], np.where(rows == 2, ts + 12 * HOUR, ts)[late]  # … with a clock that is 12 hours ahead
    for at in range(len(ts)):
        part = slice(at, at + 1)
        assert table.observe(rows[part], ts[part], np.zeros(len(rows[part]), int)) == []
        assert table.fallen_silent(table.clocks) == []


def test_every_pause_of_a_row_is_forgotten_with_it():
    table = PauseTable()
    table.grow(1)
    table.add_feeds(1)
    table.bind(np.zeros(1, int), [AUTO])
    ts = np.arange(epoch(MONDAY), epoch(MONDAY) + 3 * DAY, MINUTE)
    table.observe(np.zeros(len(ts), int), ts, np.zeros(len(ts), int))
    assert table.rows["due"][0] < EVER
    table.forget(np.zeros(1, int))
    assert table.rows["due"][0] == EVER
    assert table.rows["count"][0] == 0
    assert list(days(MONDAY, 2)) == [MONDAY, MONDAY + timedelta(days=1)]
