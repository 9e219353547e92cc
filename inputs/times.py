"""Read the event time of an observation: a number in a unit, ISO-8601 text, or text of a pattern.

- ``s``, ``ms``, ``us``, ``ns``: a number, or a text that is one (:func:`eddy.event_times.as_number`). ISO-8601 text is
  read as well: it cannot be mistaken for a number.
- ``auto``: the same, in the unit that the size of each number says (:data:`eddy.event_times.AUTO_UNITS`). Nothing is
  remembered: a record always has the same time.
- ``iso``: ISO-8601 text only.
- a pattern: text only, see :class:`Pattern`.

Times are whole milliseconds. A fraction is rounded to the nearest, a half up: of a whole number in exact arithmetic, of
others in doubles, as ``floor(x * 1000 + 0.5)``, ``floor(x + 0.5)``, ``floor(x / 1000 + 0.5)`` and ``floor(x / 1000000 +
0.5)``. Of seconds in text, digits after the sixth are dropped, and :func:`eddy.event_times.iso_time` rounds the rest.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from eddy.event_times import BadTime, TimeRange, as_number, calendar_date, epoch_ms, iso_time, read_time, unit_of
from eddy.formats import BadObservation, shown
from eddy.input_settings import InputTime

_LONG_FRACTION = re.compile(r"([.,][0-9]{6})[0-9]+")
_PER_MS = {"us": 1000, "ns": 1_000_000}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DIRECTIVES = {
    "%Y": "(?P<Y>[0-9]{4})",
    "%m": "(?P<m>[0-9]{1,2})",
    "%b": f"(?P<b>{'|'.join(_MONTHS)})",
    "%d": "(?P<d>[0-9]{1,2})",
    "%H": "(?P<H>[0-9]{1,2})",
    "%M": "(?P<M>[0-9]{1,2})",
    "%S": "(?P<S>[0-9]{1,2})",
    "%f": "(?P<f>[0-9]{1,9})",
    "%z": "(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
    "%%": "%",
}


class TimeReader:
    """Read times as one source writes them.

    Args:
        time: of the source's settings, with a field.
        times: event times that are taken.

    Raises:
        ValueError: the pattern or the zone is none.

    Examples:
        >>> TimeReader(InputTime(field="at", unit="s"), TimeRange()).read(1735689600.25)
        1735689600250
        >>> TimeReader(InputTime(field="at", unit="ms"), TimeRange()).read(1735689600)
        Traceback (most recent call last):
        ...
        eddy.formats.BadObservation: bad-time: at: found 1735689600, expected a time ... looks like epoch seconds ...
    """

    def __init__(self, time: InputTime, times: TimeRange) -> None:
        self._field = time.field
        self._unit = time.unit
        self._times = times
        self._pattern = Pattern(time.unit, time.zone) if "%" in time.unit else None
        self.units: Counter[str] = Counter()  # that unit 'auto' found, for a report

    def read(self, found: Any) -> int:
        """Return epoch ms.

        Raises:
            BadObservation: ``bad-time``, with the value and the unit; ``too-old`` or ``future`` for a time that no unit
                brings within what is taken.
        """
        try:
            ms = self._ms(found)
            if ms not in self._times:
                read_time(ms, "ms", self._times)  # raises
            return ms
        except BadTime as problem:
            raise BadObservation(problem.outside or "bad-time", f"{self._field}: {problem}") from None

    def _ms(self, found: Any) -> int:
        if self._pattern is not None:
            return self._pattern.read(found)
        if self._unit == "iso":
            ms = iso_time(_short(found)) if isinstance(found, str) else None
            if ms is None:
                message = f"found {shown(found)}, expected ISO-8601 text such as 2025-01-31T12:00:00Z"
                raise BadTime(message)
            return ms
        number = as_number(found)
        if number is not None:
            unit = unit_of(number) if self._unit == "auto" else self._unit
            ms = whole_ms(number, unit)
            if ms in self._times and not (self._unit == "auto" and calendar_date(number)):
                self._note(unit)
                return ms
        elif isinstance(found, str):
            found = _short(found)
        ms = read_time(found, self._unit, self._times, rounded=True)  # text; or it says what is wrong
        self._note("iso")
        return ms

    def _note(self, unit: str) -> None:
        if self._unit == "auto":
            self.units[unit] += 1


def whole_ms(number: float, unit: str) -> int:
    """Return epoch ms of a number in a unit, a half rounded up.

    Examples:
        >>> whole_ms(1735689600123500000, "ns"), whole_ms(1735689600123499999, "ns"), whole_ms(1735689600.0005, "s")
        (1735689600124, 1735689600123, 1735689600001)
    """
    if unit == "s":
        return number * 1000 if isinstance(number, int) else math.floor(number * 1000 + 0.5)
    per_ms = _PER_MS.get(unit, 1)
    if isinstance(number, int):
        return (number + per_ms // 2) // per_ms
    return math.floor(number / per_ms + 0.5)


class Pattern:
    """Read times of a pattern: ``%Y %m %b %d %H %M %S %f %z %%``, and all other characters as they are.

    ``%m %d %H %M %S`` have one or two digits, ``%Y`` four, ``%f`` one to nine; ``%b`` is an English month of three
    characters; ``%z`` is ``Z``, ``+0100`` or ``+01:00``. A to Z match in either case. Digits are taken greedily, as
    regular expressions do. What is not in the pattern is 0. In a zone, a time that is there twice (clocks go back) is
    the first of them, and one that is not there (clocks go forward) is read with the offset before.

    Raises:
        ValueError: the pattern has another directive, lacks a date, or the zone is unknown.

    Examples:
        >>> Pattern("%d.%m.%Y %H:%M", "Europe/Berlin").read("1.7.2025 12:00")
        1751364000000
    """

    def __init__(self, text: str, zone: str = "") -> None:
        self._text = text
        parts = re.findall(r"%.?|[^%]+", text, re.DOTALL)
        used = [part for part in parts if part[0] == "%" and part != "%%"]
        wrong = next((part for part in used if part not in _DIRECTIVES or used.count(part) > 1), None)
        if wrong is not None or not {"%Y", "%d"} <= {*used} or ("%m" in used) == ("%b" in used):
            message = f"found the pattern {text!r}, expected %Y, %m or %b, %d, and any of %H %M %S %f %z, each once"
            raise ValueError(message)
        self._regex = re.compile(
            "".join(_DIRECTIVES[part] if part[0] == "%" else re.escape(part) for part in parts),
            re.IGNORECASE | re.ASCII | re.DOTALL,
        )
        self._zone: tzinfo | None = None
        if zone:
            try:
                self._zone = ZoneInfo(zone)
            except (ValueError, OSError, LookupError):
                message = f"found the zone {zone!r}, expected one such as Europe/Berlin or UTC"
                raise ValueError(message) from None

    def read(self, found: Any) -> int:
        """Return epoch ms of a text.

        Raises:
            BadTime: the text has another form, or is no time.
        """
        match = self._regex.fullmatch(found) if isinstance(found, str) else None
        if match is not None:
            part = match.groupdict(default="")
            month = _MONTHS.index(part["b"].lower()) + 1 if "b" in part else int(part["m"])
            hour, minute, second = (int(part.get(name, "0")) for name in "HMS")
            micros = int(part.get("f", "0")[:6].ljust(6, "0"))
            try:
                zone = _zone(part["z"]) if "z" in part else self._zone
                return epoch_ms(datetime(int(part["Y"]), month, int(part["d"]), hour, minute, second, micros, zone))
            except (ValueError, OverflowError):
                pass
        message = f"found {shown(found)}, expected text of the form {self._text!r}"
        raise BadTime(message)


def _zone(offset: str) -> tzinfo:
    if offset in "Zz":
        return UTC
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-delta if offset[0] == "-" else delta)


def _short(text: str) -> str:
    """Drop digits of seconds after the sixth, so that each form of a time is rounded alike."""
    return _LONG_FRACTION.sub(r"\1", text)
