"""Read dates and times as people and programs write them, one cell or a whole column at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SECONDS = r"(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?"
_OFFSET = r"(?P<sign>[+-])(?P<ahead>[0-9]{2}):?(?P<ahead_minutes>[0-9]{2})?"
_ZONE = rf"(?:[ ]?(?:(?P<utc>Z|UTC|GMT)|{_OFFSET}))?(?P<java>\[[\w/+-]+\])?"
_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?P<between>[-/.])(?P<month>[0-9]{1,2})(?P=between)(?P<day>[0-9]{1,2})"
    rf"(?:(?:T|[ ]+)(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-9]{{2}})(?::{_SECONDS})?{_ZONE})?",
    re.IGNORECASE | re.ASCII,
)
#: 20250131, 202501312359, 20250131235959, 20250131T235959Z
_COMPACT = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    rf"(?:(?:T|[ ]+)?(?P<hour>[0-9]{{2}}):?(?P<minute>[0-9]{{2}})(?::?{_SECONDS})?{_ZONE})?",
    re.IGNORECASE | re.ASCII,
)
_NUMBERS = ("year", "month", "day", "hour", "minute", "second", "fraction", "ahead", "ahead_minutes")
_DAY_FIRST = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}\b.*")
_ZONE_NAME = re.compile(r"[0-9][ ]?([A-Za-z]{2,5})$")
_EPOCH_DAY = date(1970, 1, 1).toordinal()
COMPACT_DIGITS = (8, 12, 14)
EXPECTED = "expected ISO-8601 such as 2025-01-31T23:59:00Z, or an epoch"


class Moment(NamedTuple):
    """Hold a time: epoch ms, and whether its text names no zone, so that ``ms`` is what a local clock shows."""

    ms: int
    local: bool


class Moments(NamedTuple):
    """Hold a column of times, as :class:`Moment` holds one; all of them have a zone, or none has."""

    ms: NDArray[np.int64]
    local: bool


def read_text(text: str) -> Moment:
    """Read one time.

    Raises:
        ValueError: it is none; says why, where the form shows it.
    """
    text = text.strip()
    match = _match(text)
    if match is None:
        raise ValueError(_reason(text))
    year, month, day, hour, minute, second, fraction, ahead, ahead_minutes = (int(match[n] or 0) for n in _NUMBERS)
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise ValueError(f"there is no day {year:04}-{month:02}-{day:02}") from None
    whole_day = hour == 24 and not (minute or second or fraction)
    if not ((hour < 24 or whole_day) and minute < 60 and (second < 60 or (second == 60 and minute == 59))):
        raise ValueError(f"no clock shows {hour:02}:{minute:02}:{second:02}")
    ms = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000
    if match["fraction"]:
        ms += _fraction_ms(fraction, len(match["fraction"]))
    if match["sign"]:
        offset = (ahead * 60 + ahead_minutes) * 60_000
        return Moment(ms + (offset if match["sign"] == "-" else -offset), local=False)
    if match["java"] and not match["utc"]:
        raise ValueError(f"{match['java']} is a zone without an offset; give --timezone {match['java'][1:-1]}")
    return Moment(ms, local=match["utc"] is None)


def read_texts(cells: Sequence[str]) -> Moments | None:
    """Read a column whose cells all have the form of the first, character by character; None if one has not.

    The characters are compared and added up in arrays, twenty times as fast as cell by cell.
    """
    match = _match(cells[0])
    if match is None or (match["java"] and not (match["utc"] or match["sign"])):
        return None
    length = len(cells[0])
    texts = np.array(cells)
    if texts.dtype != np.dtype(f"<U{length}"):
        return None
    codes = texts.view(np.uint32).reshape(len(cells), length)
    spans = {name: match.span(name) for name in _NUMBERS if match[name]}
    is_digit = np.zeros(length, bool)
    for first, last in spans.values():
        is_digit[first:last] = True
    digits = codes[:, is_digit] - ord("0")  # unsigned: what is below 0 becomes large
    if (digits > 9).any() or (codes[:, ~is_digit] != codes[0, ~is_digit]).any():
        return None
    column = np.cumsum(is_digit) - 1
    part = {
        name: digits[:, column[first] : column[last - 1] + 1].astype(np.int64) @ 10 ** np.arange(last - first)[::-1]
        for name, (first, last) in spans.items()
    }
    zero = np.zeros(len(cells), np.int64)
    year, month, day, hour, minute, second, fraction, ahead, ahead_minutes = (part.get(n, zero) for n in _NUMBERS)
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days_in_month = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - days
    real_day = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= days_in_month)
    whole_day = (hour == 24) & (minute == 0) & (second == 0) & (fraction == 0)
    real_clock = ((hour < 24) | whole_day) & (minute < 60) & ((second < 60) | ((second == 60) & (minute == 59)))
    if not (real_day & real_clock).all():
        return None
    ms = (((days + day - 1) * 24 + hour) * 60 + minute) * 60_000 + second * 1000
    if match["fraction"]:
        ms += np.rint(fraction / 10.0 ** (len(match["fraction"]) - 3)).astype(np.int64)
    if match["sign"]:
        offset = (ahead * 60 + ahead_minutes) * 60_000
        return Moments(ms + offset if match["sign"] == "-" else ms - offset, local=False)
    return Moments(ms, local=match["utc"] is None)


def is_compact(text: str) -> bool:
    """Return whether a text has as many digits, and nothing else, as a date like 20250131 or 202501312359."""
    return len(text) in COMPACT_DIGITS and text.isascii() and text.isdigit()


def _match(text: str) -> re.Match[str] | None:
    # Digits of another number than 8, 12 or 14 match neither: 1795010112345 is an epoch.
    return _DATE_TIME.fullmatch(text) or _COMPACT.fullmatch(text)


def _fraction_ms(fraction: int, digits: int) -> int:
    return round(fraction / 10.0 ** (digits - 3))


def _reason(text: str) -> str:
    if not text:
        return f"is empty; {EXPECTED}"
    if _DAY_FIRST.fullmatch(text):
        return "day and month cannot be told apart; give --time-format, such as '%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'"
    named = _ZONE_NAME.search(text)
    if named and named[1].upper() in ("AM", "PM"):
        return "12-hour times need --time-format, such as '%Y-%m-%d %I:%M:%S %p'"
    if named:
        return f"the zone {named[1]!r} is not known; write an offset such as +01:00, or give --timezone"
    return f"{EXPECTED}; other forms with --time-format"
