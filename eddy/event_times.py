"""Read the times of messages and files: the one rule for what is a time, in which unit, and between which years.

A number, or a text of digits, is an epoch in the unit of its field, never a date: ``1795010112345`` is not the year
1795. Text with a calendar date is ISO-8601; without a zone it is UTC. A time outside the allowed years is refused with
the unit that was probably meant, since seconds that are read as milliseconds would be January 1970.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Union

UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
#: (units per millisecond, milliseconds per unit)
_PER_MS = {"s": (1, 1000), "ms": (1, 1), "us": (1000, 1), "ns": (1_000_000, 1)}
#: unit ``auto``: below the first limit a number is seconds, and so on; years 1990 to 2100 lie far from every limit
AUTO_UNITS = ((1e11, "s"), (1e14, "ms"), (1e17, "us"), (math.inf, "ns"))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MAX_NUMBER = 10**21  # beyond it no unit gives a time; neither are NaN and infinity below it
_SHOWN = 60
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_ISO = re.compile(
    r"(\d{4})([-/]?)(\d\d)\2(\d\d)"
    r"(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r" ?(?:([Zz]|UTC|GMT)|([+-])(\d\d):?(\d\d)?)?(?:\[[\w/+-]+\])?",
    re.ASCII,
)
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # digits of a calendar date: as strptime reads them

Found = Union[int, float, str]


class BadTime(ValueError):
    """Say why something is no usable time: what was found, what was expected, what was probably meant.

    Attributes:
        outside: ``too-old`` or ``future`` for a time that no unit brings within what is taken; empty otherwise.
    """

    def __init__(self, message: str, outside: str = "") -> None:
        super().__init__(message)
        self.outside = outside


@dataclass(frozen=True)
class TimeRange:
    """Bound the times that are taken, in epoch ms, both included; anything outside is a mistake of its sender.

    Examples:
        >>> 1_735_689_600_000 in TimeRange(), 1_735_689_600 in TimeRange()
        (True, False)
        >>> print(TimeRange())
        a time from 1990-01-01T00:00:00Z to 2100-12-31T23:59:59.999Z
    """

    first_ms: int = 631_152_000_000
    last_ms: int = 4_133_980_799_999

    def __contains__(self, ms: float) -> bool:
        return self.first_ms <= ms <= self.last_ms

    def __str__(self) -> str:
        return f"a time from {iso(self.first_ms)} to {iso(self.last_ms)}"


#: years 1990 to 2100, which hold unless job.min_event_time and job.max_event_time say otherwise
USUAL_TIMES = TimeRange()
#: what a date can hold: years 1 to 9999
ANY_TIME = TimeRange(-62_135_596_800_000, 253_402_300_799_999)


def read_time(found: Found, unit: str = "ms", times: TimeRange = USUAL_TIMES, rounded: bool = False) -> int:
    """Return epoch ms of a number, a text of digits, or ISO-8601 text.

    Args:
        found: what stands in the field.
        unit: of numbers: s, ms, us or ns; ``auto`` takes the one that the size of the number says.
        times: what is accepted.
        rounded: take fractions of a millisecond, too, and round them.

    Raises:
        BadTime: it is no time, or one outside ``times``.

    Examples:
        >>> read_time("2025-01-01T01:00:00+01:00"), read_time("1735689600000"), read_time(1735689600, "auto")
        (1735689600000, 1735689600000, 1735689600000)
        >>> read_time(1735689600)
        Traceback (most recent call last):
        ...
        eddy.event_times.BadTime: found 1735689600, expected a time from 1990-01-01T00:00:00Z to
        2100-12-31T23:59:59.999Z; looks like epoch seconds (2025-01-01T00:00:00Z), not milliseconds
        >>> read_time(20250101)
        Traceback (most recent call last):
        ...
        eddy.event_times.BadTime: found 20250101, expected a time …; looks like the date 2025-01-01, write it like that
    """
    if type(found) is int and unit == "ms" and times.first_ms <= found <= times.last_ms:
        return found  # nearly every message
    ms = iso_time(found) if isinstance(found, str) else None
    if ms is not None and times.first_ms <= ms <= times.last_ms:
        return ms
    number = as_number(found) if ms is None else None
    if ms is None and number is None:
        name = "an epoch" if unit == "auto" else f"epoch {UNIT_NAMES[unit]} (whole number)"
        raise BadTime(f"found {_shown(found)}, expected {name} or ISO-8601 text")
    if number is not None:
        if unit == "auto":
            unit = unit_of(number)
            if calendar_date(number):  # whatever ``times`` says: a date is never an epoch
                raise BadTime(f"found {_shown(found)}, expected an epoch or ISO-8601 text{probably(number, unit)}")
        exact = to_ms(number, unit)
        ms = round(exact)
        if ms != exact and not rounded:
            raise BadTime(f"found {_shown(found)}, expected a whole number of milliseconds{probably(number, unit)}")
    if ms is None or ms not in times:
        hint = "" if number is None else probably(number, unit)
        outside = "" if hint or ms is None else "too-old" if ms < times.first_ms else "future"
        raise BadTime(f"found {_shown(found)}, expected {times}{hint}", outside)
    return ms


def as_number(found: object) -> int | float | None:
    """Return the number that a number or a text of digits is; None for anything else, such as a date or infinity.

    Examples:
        >>> as_number(" 1735689600000 "), as_number("1.7e12"), as_number("2025-01-01"), as_number("1735689600,5")
        (1735689600000, 1700000000000, None, None)
    """
    if isinstance(found, str):
        text = found.strip()
        if len(text) > _SHOWN or not _NUMBER.fullmatch(text):
            return None
        found = int(text) if text.lstrip("+-").isdigit() else float(text)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not abs(found) < _MAX_NUMBER:
        return None
    return int(found) if isinstance(found, float) and found.is_integer() else found


def to_ms(number: float, unit: str) -> float:
    """Return milliseconds of an epoch in another unit; exact for whole numbers, which stay whole where they divide.

    Examples:
        >>> to_ms(1735689600123456789, "ns"), to_ms(1735689600, "s"), to_ms(1735689600.25, "s")
        (1735689600123.4568, 1735689600000, 1735689600250.0)
    """
    per_ms, ms = _PER_MS[unit]
    if isinstance(number, int) and number % per_ms == 0:
        return number // per_ms * ms
    return number / per_ms * ms


def unit_of(number: float) -> str:
    """Return the unit that the size of an epoch says: s, ms, us or ns.

    Examples:
        >>> unit_of(1_735_689_600), unit_of(1_735_689_600_000), unit_of(1_735_689_600_000_000_000)
        ('s', 'ms', 'ns')
    """
    return next(unit for limit, unit in AUTO_UNITS if abs(number) < limit)


def calendar_date(number: float) -> datetime | None:
    """Return the UTC date that a number like 20250101, 202501012359 or 20250101235959 spells; None for others.

    Only years that :data:`USUAL_TIMES` has count.
    """
    text = str(number)
    form = _COMPACT.get(len(text))
    if form is None or not text.isdigit():
        return None
    try:
        found = datetime.strptime(text, form).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return found if epoch_ms(found) in USUAL_TIMES else None


def iso_time(text: str) -> int | None:
    """Return epoch ms of ISO-8601 text, with a calendar date; None if it is something else. Without a zone it is UTC.

    Also read: a blank or ``t`` for ``T``, ``z``, ``UTC`` and ``GMT`` for ``Z``, ``2025/01/31``, and Java's zone name
    after the offset, ``+01:00[Europe/Paris]``.

    Examples:
        >>> iso_time("2025-01-01t00:00:00z"), iso_time("20250101T000000Z"), iso_time("20250101")
        (1735689600000, 1735689600000, None)
    """
    if text[4:5] == "-" == text[7:8] and text[10:11] in ("", "T", " "):
        try:
            return epoch_ms(datetime.fromisoformat(text))  # the usual forms, and six times as fast as what follows
        except ValueError:
            pass
    text = text.strip()
    match = _ISO.fullmatch(text)
    if match is None or text.isdigit():
        return None
    year, _, month, day, hour, minute, second, fraction, _, sign, ahead, and_minutes = match.groups()
    micros = round(int(fraction) * 10 ** (6 - len(fraction))) if fraction else 0
    try:
        moment = datetime(*(int(part or 0) for part in (year, month, day, hour, minute, second)), tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
        offset = timedelta(hours=int(ahead or 0), minutes=int(and_minutes or 0))
        return epoch_ms(moment + timedelta(microseconds=micros) - (-offset if sign == "-" else offset))
    except (ValueError, OverflowError):
        return None


def probably(number: float, unit: str) -> str:
    """Say what a number that is refused as ``unit`` probably is; empty where nothing fits.

    Examples:
        >>> probably(1735689600, "ms")
        '; looks like epoch seconds (2025-01-01T00:00:00Z), not milliseconds'
    """
    for other, name in UNIT_NAMES.items():
        ms = to_ms(number, other)
        if other != unit and ms in USUAL_TIMES:
            return f"; looks like epoch {name} ({iso(round(ms))}), not {UNIT_NAMES[unit]}"
    date = calendar_date(number)
    if date is None:
        return ""
    text = date.isoformat().removesuffix("+00:00")
    return f"; looks like the date {text.removesuffix('T00:00:00')}, write it like that"


def epoch_ms(moment: datetime) -> int:
    """Return epoch ms of a date; one without a zone is UTC."""
    return round((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def iso(ms: int) -> str:
    """Return a time as ISO-8601 text, or its number if it lies outside the years 1 to 9999.

    Examples:
        >>> iso(1735689600000), iso(1735689600250)
        ('2025-01-01T00:00:00Z', '2025-01-01T00:00:00.250Z')
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def _shown(found: object) -> str:
    text = repr(found) if not isinstance(found, int) or abs(found) < _MAX_NUMBER else "a very large number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({type(found).__name__})"
