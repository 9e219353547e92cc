"""Read maintenance calendars: iCalendar files that say for which series, and when, nobody is notified.

An event of a file (``VEVENT``, with ``RRULE``, ``RDATE``, ``EXDATE``, time zones, whole days) is maintenance from its
start to its end. Files are expanded a month of event time at a time, when an anomalous point first asks for that month;
no event of the stream ever waits for a calendar, and points that are not anomalous never need one.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from eddy.alert_settings import CalendarSettings
from eddy.errors import SettingsError
from eddy.patterns import fits

REFRESH_PERIOD_MS = 5_000  # wall clock between two checks for a changed file
_CHUNK_MS = 31 * 86_400_000
_CHUNKS_KEPT = 64  # five years; a replay of more expands some months again
_TOO_OFTEN = ("SECONDLY", "MINUTELY")  # no maintenance; would expand to millions of occurrences
_MAX_PER_HOUR = 4
_LARGEST_FILE_BYTES = 8 * 1024 * 1024
#: a property of an event that narrows it to some of its calendar's series: patterns, comma separated
SERIES_PROPERTY = "X-EDDY-SERIES"


@dataclass(frozen=True)
class _Span:
    """Hold one occurrence: [start, end) in epoch ms, and its own patterns, if it has any."""

    start: int
    end: int
    series: tuple[str, ...]


@dataclass
class _Month:
    """Hold the occurrences that touch one month, by start, and the latest end among those up to each."""

    spans: list[_Span]
    starts: list[int]
    reach: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        latest = 0
        for span in self.spans:
            latest = max(latest, span.end)
            self.reach.append(latest)


class Calendar:
    """Answer questions about one iCalendar file, as it was when it was read.

    Args:
        settings: the file's path and the series that it applies to.
        content: its bytes.

    Raises:
        SettingsError: not an iCalendar file; names the file and what is wrong.
    """

    def __init__(self, settings: CalendarSettings, content: bytes) -> None:
        import icalendar  # here, since most jobs have no calendar, and these two take long to import
        import recurring_ical_events

        self.settings = settings
        self.name = settings.name or Path(settings.file).stem
        self._zone = _zone(settings)
        self._months: dict[int, _Month] = {}
        try:
            parsed = icalendar.Calendar.from_ical(content)
            if not isinstance(parsed, icalendar.Calendar):
                raise ValueError(f"found {type(parsed).__name__}, expected VCALENDAR")
            for event in parsed.walk("VEVENT"):
                problem = _problem(event)
                if problem:
                    raise ValueError(f"event {str(event.get('SUMMARY', 'without a name'))!r}: {problem}")
            self._query = recurring_ical_events.of(parsed, components=["VEVENT"], skip_bad_series=False)
        except Exception as error:  # the parser raises a different error for each kind of broken line
            message = f"calendar {settings.file}: not an iCalendar file that can be used: {error}"
            raise SettingsError(message) from error
        self._month(time.time_ns() // 1_000_000 // _CHUNK_MS)  # shows at once which rules cannot be expanded

    def covers(self, series: str, ts: int) -> bool:
        """Return whether a series is under maintenance at an event time, epoch ms."""
        month = self._month(ts // _CHUNK_MS)
        at = bisect_right(month.starts, ts) - 1
        while at >= 0 and month.reach[at] > ts:
            span = month.spans[at]
            if ts < span.end and (not span.series or fits(span.series, series)):
                return True
            at -= 1
        return False

    def _month(self, number: int) -> _Month:
        known = self._months.get(number)
        if known is None:
            if len(self._months) >= _CHUNKS_KEPT:
                self._months.pop(next(iter(self._months)))
            known = self._months[number] = self._expanded(number)
        return known

    def _expanded(self, number: int) -> _Month:
        day = timedelta(days=1)  # times without a zone are converted to the calendar's zone afterwards
        try:
            start = datetime.fromtimestamp(number * _CHUNK_MS / 1000, UTC)
            start, stop = start - day, start + timedelta(milliseconds=_CHUNK_MS) + day
        except (OverflowError, ValueError, OSError):  # an event time before year 1 or after 9999: no maintenance there
            return _Month([], [])
        try:
            found = self._query.between(start, stop)
        except Exception as error:
            message = f"calendar {self.settings.file}: cannot be expanded from {start:%Y-%m-%d}: {error}"
            raise SettingsError(message) from error
        spans = [self._span(event) for event in found if str(event.get("STATUS", "")).upper() != "CANCELLED"]
        spans.sort(key=lambda span: (span.start, span.end))
        return _Month(spans, [span.start for span in spans])

    def _span(self, event: Any) -> _Span:
        own = str(event.get(SERIES_PROPERTY, ""))
        return _Span(
            _epoch_ms(event.start, self._zone),
            _epoch_ms(event.end, self._zone),
            tuple(pattern.strip() for pattern in own.split(",") if pattern.strip()),
        )


class Maintenance:
    """Keep all calendars of a job, and read them again when their files change.

    A file that cannot be used leaves its calendar as it was; before the first successful read there is no maintenance.

    Args:
        calendars: the settings of each.
        strict: raise an error at a file that cannot be used, instead of going on without it.
    """

    def __init__(self, calendars: Sequence[CalendarSettings] = (), strict: bool = False) -> None:
        self._settings = list(calendars)
        self._calendars: list[Calendar | None] = [None] * len(calendars)
        self._signs: list[object] = [None] * len(calendars)
        self._refreshed_at = 0
        self._problems = [problem for i in range(len(calendars)) if (problem := self._follow(i))]
        if strict and self._problems:
            raise self._problems[0]

    def __bool__(self) -> bool:
        return bool(self._settings)

    def refresh(self, now: int) -> list[SettingsError]:
        """Read the files that have changed, every few seconds; return each new problem once.

        Args:
            now: wall clock, epoch ms; a step of it, in either direction, has them read at once.
        """
        found, self._problems = self._problems, []
        if self._settings and abs(now - self._refreshed_at) >= REFRESH_PERIOD_MS:
            self._refreshed_at = now
            found += [problem for i in range(len(self._settings)) if (problem := self._follow(i))]
        return found

    def reason(self, series: str, ts: int) -> str | None:
        """Return the reason for an alert that a calendar suppresses; None if there is no maintenance.

        Args:
            series: the series' id.
            ts: event time, epoch ms.
        """
        for index, calendar in enumerate(self._calendars):
            if calendar is None or not fits(calendar.settings.series, series):
                continue
            try:
                if calendar.covers(series, ts):
                    return f"maintenance: {calendar.name}"
            except SettingsError as error:
                self._problems.append(error)
                self._calendars[index] = None
        return None

    def _follow(self, index: int) -> SettingsError | None:
        settings = self._settings[index]
        path = Path(settings.file)
        try:
            status = path.stat()
            sign: object = (status.st_mtime_ns, status.st_size, status.st_ino)
            if sign == self._signs[index]:
                return None
            self._signs[index] = sign
            if status.st_size > _LARGEST_FILE_BYTES:
                raise SettingsError(f"calendar {path}: {status.st_size} bytes, at most {_LARGEST_FILE_BYTES}")
            self._calendars[index] = Calendar(settings, path.read_bytes())
        except OSError as error:
            sign = str(error)
            known, self._signs[index] = self._signs[index], sign
            return None if known == sign else SettingsError(f"calendar {path}: cannot be read: {error.strerror}")
        except SettingsError as error:
            return error
        return None


def _problem(event: Any) -> str:
    """Return what is wrong with an event; empty if nothing is."""
    if event.errors:
        return str(event.errors[0][1])
    start = event.get("DTSTART")
    if start is None:
        return "DTSTART is missing"
    for name in ("DTSTART", "DTEND"):
        moment = event.get(name)
        zone = moment.params.get("TZID") if moment is not None else None
        if zone and isinstance(moment.dt, datetime) and moment.dt.tzinfo is None:
            return f"time zone {zone!r} is unknown"
    rules = event.get("RRULE") or []
    for rule in rules if isinstance(rules, list) else [rules]:
        per_hour = len(rule.get("BYMINUTE", [0])) * len(rule.get("BYSECOND", [0]))
        if str(rule.get("FREQ", [""])[0]).upper() in _TOO_OFTEN or per_hour > _MAX_PER_HOUR:
            return f"the rule repeats more often than {_MAX_PER_HOUR} times an hour"
    return ""


def _zone(settings: CalendarSettings) -> tzinfo:
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"calendar {settings.file}: timezone {settings.timezone!r} is unknown; try one as Europe/Paris"
        raise SettingsError(message) from None


def _epoch_ms(moment: date, zone: tzinfo) -> int:
    """Convert to epoch ms: a whole day begins at midnight, a time without a zone is in the calendar's."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)
