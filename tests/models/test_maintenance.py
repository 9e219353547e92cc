"""Check maintenance calendars: real iCalendar files, reloading, broken files."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.alert_settings import CalendarSettings
from eddy.errors import SettingsError
from eddy.models.alerting.maintenance import REFRESH_PERIOD_MS, Calendar, Maintenance

EVENTS = {
    "weekly": """DTSTART;TZID=Europe/Berlin:20250106T020000
DTEND;TZID=Europe/Berlin:20250106T040000
RRULE:FREQ=WEEKLY;UNTIL=20251231T000000Z
EXDATE;TZID=Europe/Berlin:20250113T020000""",
    "day": "DTSTART;VALUE=DATE:20250301\nDTEND;VALUE=DATE:20250302",
    "floating": "DTSTART:20250401T100000\nDURATION:PT1H",
    "long": "DTSTART:20240101T000000Z\nDTEND:20250601T000000Z\nX-EDDY-SERIES:pump-*,!pump-9",
    "cancelled": "DTSTART:20250501T000000Z\nDTEND:20250502T000000Z\nSTATUS:CANCELLED",
}


def ics(*events, names=()):
    """A calendar with some of EVENTS, or with the lines of an event."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test"]
    for i, event in enumerate(events):
        lines += ["BEGIN:VEVENT", f"UID:{i}", f"SUMMARY:e{i}", *EVENTS.get(event, event).splitlines(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def calendar(*events, **fields):
    return Calendar(CalendarSettings(file="plant.ics", **fields), ics(*events))


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0):
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("event", "moment", "covered"),
    [
        ("weekly", (2025, 1, 6, 0, 59, 59), False),
        ("weekly", (2025, 1, 6, 1), True),  # 2 o'clock in Berlin
        ("weekly", (2025, 1, 6, 3), False),  # the end is not part of it
        ("weekly", (2025, 1, 13, 2), False),  # excepted
        ("weekly", (2025, 7, 7, 0, 30), True),  # summer time
        ("weekly", (2025, 7, 7, 2, 30), False),
        ("weekly", (2026, 1, 5, 2), False),  # after the rule's end
        ("weekly", (2024, 12, 30, 2), False),
        ("day", (2025, 3, 1), True),
        ("day", (2025, 3, 1, 23, 59), True),
        ("day", (2025, 3, 2), False),
        ("floating", (2025, 4, 1, 10, 30), True),
        ("long", (2025, 5, 31, 23), True),
        ("cancelled", (2025, 5, 1, 12), False),
    ],
)
def test_calendar_covers_exactly_its_events(event, moment, covered):
    assert calendar(event).covers("pump-1", at(*moment)) is covered


def test_floating_times_use_the_calendar_timezone():
    there = calendar("floating", "day", timezone="America/New_York")
    assert not there.covers("s", at(2025, 4, 1, 10, 30))
    assert there.covers("s", at(2025, 4, 1, 14, 30))
    assert there.covers("s", at(2025, 3, 2, 4, 59))


def test_event_can_apply_to_some_series_only():
    assert [calendar("long").covers(s, at(2025, 1, 1)) for s in ("pump-1", "pump-9", "fan")] == [True, False, False]


def test_times_outside_the_calendar_range_are_not_covered():
    for ts in (-(10**17), 10**17, 0):
        assert not calendar("weekly").covers("s", ts)


SPANS = st.lists(st.tuples(st.integers(0, 60 * 24), st.integers(0, 20 * 24)), max_size=8)


@given(SPANS, st.lists(st.integers(-10, 90 * 24), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_overlapping_and_long_events_are_covered(spans, hours):
    start = datetime(2025, 1, 1, tzinfo=UTC)

    def line(name, hour):
        return f"{name}:{start + timedelta(hours=hour):%Y%m%dT%H%M%SZ}"

    one = calendar(*(f"{line('DTSTART', s)}\n{line('DTEND', s + n)}" for s, n in spans))
    for hour in hours:
        expected = any(s <= hour < s + n for s, n in spans)
        assert one.covers("s", at(2025, 1, 1) + hour * 3_600_000) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no components"),
        (b"hello", "hello"),
        (b"\xff\xfe\x00", "not an iCalendar file"),
        (ics("weekly")[:150], "not an iCalendar file"),
        (ics("SUMMARY:no start"), "DTSTART is missing"),
        (ics("DTSTART:soon"), "event 'e0': .*soon"),
        (ics("DTSTART:20250101T000000Z\nRRULE:FREQ=SOMETIMES"), "event 'e0': .*SOMETIMES"),
        (ics("DTSTART;TZID=Mars/Base:20250101T000000"), "event 'e0': time zone 'Mars/Base' is unknown"),
        (ics("DTSTART:20250101T000000Z\nRRULE:FREQ=SECONDLY"), "more often than 4 times an hour"),
        (ics("DTSTART:20250101T000000Z\nRRULE:FREQ=HOURLY;BYMINUTE=0,1,2;BYSECOND=0,1"), "more often than 4 times"),
    ],
)
def test_broken_calendar_file_is_named_with_the_reason(content, said):
    with pytest.raises(SettingsError, match=rf"calendar plant.ics: .*{said}"):
        Calendar(CalendarSettings(file="plant.ics"), content)


def test_unknown_timezone_setting_is_named():
    with pytest.raises(SettingsError, match=r"calendar plant.ics: timezone 'Mars/Base' is unknown"):
        calendar("day", timezone="Mars/Base")


# -- files that change -----------------------------------------------------------------------------------------

DAY = at(2025, 3, 1, 12)
SERIAL = count(1)


def write(path, content):
    path.write_bytes(content)
    os.utime(path, ns=(next(SERIAL) * 10**9,) * 2)  # a time of its own, however fast the test is


def test_calendar_file_is_reloaded_and_a_broken_one_keeps_the_old_calendar(tmp_path):
    path, now = tmp_path / "plant.ics", count(REFRESH_PERIOD_MS, REFRESH_PERIOD_MS)
    write(path, ics("day"))
    found = Maintenance([CalendarSettings(file=str(path), series=("s-*",))])
    assert found.refresh(next(now)) == []
    assert [found.reason(s, DAY) for s in ("s-1", "t-1")] == ["maintenance: plant", None]

    write(path, b"hello")
    (problem,) = found.refresh(next(now))
    assert f"calendar {path}" in str(problem)
    assert found.refresh(next(now)) == [], "said once"
    assert found.reason("s-1", DAY) == "maintenance: plant"

    write(path, ics("floating"))
    assert found.refresh(next(now)) == []
    assert found.reason("s-1", DAY) is None

    path.unlink()
    (problem,) = found.refresh(next(now))
    assert "cannot be read" in str(problem)
    assert found.refresh(next(now)) == []
    assert found.reason("s-1", at(2025, 4, 1, 10)) == "maintenance: plant"


def test_calendar_files_are_checked_once_per_period(tmp_path):
    path = tmp_path / "plant.ics"
    write(path, ics("floating"))
    found = Maintenance([CalendarSettings(file=str(path), name="works")])
    found.refresh(10 * REFRESH_PERIOD_MS)
    write(path, ics("day"))
    found.refresh(11 * REFRESH_PERIOD_MS - 1)
    assert found.reason("s", DAY) is None
    found.refresh(11 * REFRESH_PERIOD_MS)
    assert found.reason("s", DAY) == "maintenance: works"


def test_missing_calendar_file_is_refused_in_strict_mode_and_retried_otherwise(tmp_path):
    path = tmp_path / "plant.ics"
    one = CalendarSettings(file=str(path))
    with pytest.raises(SettingsError, match=f"calendar {path}: cannot be read: No such file"):
        Maintenance([one], strict=True)
    found = Maintenance([one])
    assert found.reason("s", DAY) is None
    assert len(found.refresh(0)) == 1
    write(path, ics("day"))
    assert found.refresh(REFRESH_PERIOD_MS) == []
    assert found.reason("s", DAY) == "maintenance: plant"
