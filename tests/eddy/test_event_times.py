"""Times of messages and files have one meaning: digits are a number of their unit, and 1970 is nobody's year."""

from __future__ import annotations

import doctest
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy import event_times
from eddy.configuration import load
from eddy.errors import SettingsError
from eddy.event_times import USUAL_TIMES, BadTime, TimeRange, as_number, calendar_date, read_time, unit_of
from eddy.settings import Settings

FOR_EVER = TimeRange(-(10**19), 10**19)
EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
DAY = datetime(2025, 1, 1, tzinfo=UTC)
MS = 1_735_689_600_000


def test_examples_print_what_they_say():
    flags = doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testmod(event_times, optionflags=flags)
    assert (failed, tried > 5) == (0, True)


@pytest.mark.parametrize("text", ["1795010112345", "1704010512345", "1795010000123"])
def test_milliseconds_as_text_are_never_taken_for_a_date(text):
    assert read_time(text) == read_time(int(text)) == int(text)


@settings(max_examples=1000)
@given(st.integers(0, 2**53), st.sampled_from(["{}", " {} ", "+{}", "{}.0"]), st.sampled_from(["s", "ms", "us", "ns"]))
def test_text_of_digits_is_read_as_its_number_whatever_it_spells(number, form, unit):
    assert read_time(form.format(number), unit, FOR_EVER, True) == read_time(number, unit, FOR_EVER, True)


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        (MS // 1000, "looks like epoch seconds (2025-01-01T00:00:00Z), not milliseconds"),
        (str(MS // 1000), "looks like epoch seconds"),
        (MS / 1000 + 0.5, "looks like epoch seconds (2025-01-01T00:00:00.500Z)"),
        (MS * 1000, "looks like epoch microseconds (2025-01-01T00:00:00Z), not milliseconds"),
        (MS * 10**6, "looks like epoch nanoseconds (2025-01-01T00:00:00Z), not milliseconds"),
        (20250101, "looks like the date 2025-01-01, write it like that"),
        ("20250101", "looks like the date 2025-01-01"),
        (202501012359, "looks like the date 2025-01-01T23:59:00"),
        (20250101235958, "looks like the date 2025-01-01T23:59:58"),
        (0, "expected a time from 1990-01-01T00:00:00Z to 2100-12-31T23:59:59.999Z"),
        (-1, "expected a time from 1990"),
        ("1795-01-01T00:00:00Z", "found '1795-01-01T00:00:00Z', expected a time from 1990"),
        ("2101-01-01", "expected a time from 1990"),
        (20259999, "expected a time from 1990"),
    ],
)
def test_times_outside_the_usual_years_are_refused_with_what_was_probably_meant(found, hint):
    with pytest.raises(BadTime) as refused:
        read_time(found)
    assert hint in str(refused.value)


@pytest.mark.parametrize(
    "found",
    [None, True, [], {}, b"1", math.nan, math.inf, -math.inf, 1e300, 10**4000, "9" * 5000, "", " ", "-", "1e999",
     "yesterday", "\ud800", "２０２５-01-01", "٢٠٢٥", "²", "2025-13-01", "2025-02-30", "2025-01-01X00:00",
     "2025-01-01T24:01", "2025-01-01T00:00:61", "2025-W01-1", "2025-001", "2025", "2025-01", "12:00", "1_735_689"],
)  # fmt: skip
def test_what_is_no_time_is_refused(found):
    found = found if found != 10**4000 else found**2  # too large to print, so no name for a test either
    for unit in ("ms", "s", "auto"):
        with pytest.raises(BadTime, match="expected"):
            read_time(found, unit)


@pytest.mark.parametrize("times", [USUAL_TIMES, FOR_EVER])
@pytest.mark.parametrize("date", ["20250101", "202501010000", "20250101000000"])
def test_numbers_of_any_unit_are_told_apart_by_size_and_dates_are_no_epochs(date, times):
    for unit, factor in (("s", 1e-3), ("ms", 1), ("us", 1000), ("ns", 10**6)):
        assert read_time(MS * factor, "auto", times) == MS
        assert unit_of(MS * factor) == unit
    with pytest.raises(BadTime, match="looks like the date 2025-01-01"):
        read_time(date, "auto", times)


def test_fractions_are_rounded_only_where_they_may_be():
    assert read_time("1735689600.0004", "s", rounded=True) == MS
    assert read_time(MS // 1000 + 0.25, "s") == MS + 250
    with pytest.raises(BadTime, match="whole number of milliseconds"):
        read_time(MS + 0.5)
    assert read_time(MS + 0.25, rounded=True) == MS


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2025-01-01T00:00:00Z", 0),
        ("2025-01-01t00:00:00z", 0),
        ("2025-01-01 00:00:00 UTC", 0),
        ("2025/01/01", 0),
        ("20250101T000000Z", 0),
        ("2025-01-01T00:00:00,250", 250),
        ("2025-01-01T00:00:00.123456789Z", 123),
        ("2025-01-01T01:00:00+01:00[Europe/Paris]", 0),
        ("2024-12-31T19:00:00-0500", 0),
        ("  2025-01-01T00:00 ", 0),
    ],
)
def test_forms_that_other_programs_write_are_read(text, ms):
    assert read_time(text) == MS + ms


MOMENTS = st.integers(USUAL_TIMES.first_ms, USUAL_TIMES.last_ms).map(
    lambda ms: (EPOCH + ms * MILLISECOND).replace(tzinfo=None)
)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60), st.sampled_from("T t"))
def test_iso_text_is_read_as_python_reads_it(naive, offset, separator):
    ahead = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    moment = naive.replace(tzinfo=UTC) - timedelta(minutes=offset)
    assert read_time(naive.isoformat(separator) + ahead, times=FOR_EVER) == round(moment.timestamp() * 1000)


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans() | st.from_regex(r"[-0-9T:. /Z+]{1,30}"))
def test_whatever_is_found_is_a_time_of_the_range_or_refused(found):
    for unit in ("ms", "auto"):
        with suppress(BadTime):
            assert read_time(found, unit) in USUAL_TIMES


@given(st.integers(-(10**30), 10**30) | st.floats())
def test_a_number_is_only_a_date_if_it_spells_one(number):
    date = calendar_date(number)
    assert date is None or date.strftime("%Y%m%d%H%M%S").startswith(str(number))
    assert as_number(str(10**40)) is None


def test_range_is_a_setting_and_travels_with_the_job():
    assert Settings().job.event_times == USUAL_TIMES
    found = load(["job.min_event_time=1960-01-01", "job.max_event_time=2030-01-01T00:00:00Z"], environ={}).settings
    assert read_time("1969-07-20T20:17:40Z", times=found.job.event_times) < 0
    with pytest.raises(BadTime):
        read_time("2031-01-01", times=found.job.event_times)
    for text in ("20250101", "yesterday", "1_000"):
        with pytest.raises(SettingsError, match=r"job\.start_time.*expected"):
            load([f"job.start_time={text}"], environ={})
    assert load([f"job.start_time={MS // 1000}"], environ={}).settings.job.start_time == DAY
    with pytest.raises(SettingsError, match="min_event_time at or before max_event_time"):
        load(["job.min_event_time=2200-01-01"], environ={})
