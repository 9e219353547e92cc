"""Parse time columns into epoch ms: dates and times as text, epochs in any unit, or a strptime pattern."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from eddy.csv_files.time_text import Moment, Moments, is_compact, read_text, read_texts
from eddy.errors import SettingsError
from eddy.event_times import AUTO_UNITS, UNIT_NAMES, USUAL_TIMES, TimeRange, epoch_ms, iso, to_ms

DAY_FIRST = "%d/%m/%Y %H:%M:%S"  # read fast: the form of the UCI power file
#: milliseconds per unit
_UNITS = {unit: to_ms(1.0, unit) for unit in UNIT_NAMES}
_LIMITS = np.array([limit for limit, _ in AUTO_UNITS[:-1]])
_SPREADSHEET_DAY_0 = datetime(1899, 12, 30, tzinfo=UTC)  # of day numbers such as 45658.5
_SHOWN = 60


class TimeColumn:
    """Parse the time column of one file.

    Args:
        form: ``auto`` (text, or an epoch whose size says its unit, or dates of 8, 12 or 14 digits), ``iso`` (text
            only), ``s``, ``ms``, ``us``, ``ns``, or a strptime pattern (it contains ``%``).
        times: what is accepted; a time outside is a mistake in the file.

    Raises:
        SettingsError: no such form.
    """

    def __init__(self, form: str = "auto", times: TimeRange = USUAL_TIMES) -> None:
        if "%" not in form and form not in ("auto", "iso", *_UNITS):
            raise SettingsError(
                f"--time-format {form!r}: expected auto, iso, s, ms, us, ns or a strptime pattern such as {DAY_FIRST!r}"
            )
        self.form, self.times = form, times
        self._compact: bool | None = None  # whether all numbers of the first rows are dates; known with the first ones

    def begin(self, cells: Sequence[str]) -> None:
        """Decide from the first rows that have numbers whether these are dates of 8, 12 or 14 digits."""
        if self._compact is None and self.form == "auto":
            numbers = [text for text in map(str.strip, cells) if _is_number(text)]
            if numbers:
                self._compact = all(self._compact_date(text) is not None for text in numbers)

    def parse(self, cells: Sequence[str]) -> Moments | None:
        """Parse all cells at once, ten times as fast as one by one; return None if one needs a closer look."""
        cells = [cell.strip() for cell in cells]
        if self.form == DAY_FIRST:
            cells = [_day_first(cell) for cell in cells]
            found = read_texts(cells) if len(cells[0]) == 19 else None
        elif "%" in self.form:
            return None
        elif self.form == "iso" or (self.form == "auto" and not _is_number(cells[0])):
            found = read_texts(cells)
        else:
            self.begin(cells)
            found = read_texts(cells) if self._compact else self._epochs(cells)
        return found if found is not None and self._all_inside(found.ms) else None

    def parse_one(self, cell: str) -> Moment:
        """Parse one cell.

        Raises:
            ValueError: it is no time, or one outside the range; says what it probably is.
        """
        text = cell.strip()
        try:
            found = self._one(text)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"time {text[:_SHOWN]!r}: {error}") from None
        if not self.times.first_ms <= found.ms <= self.times.last_ms:
            raise ValueError(f"time {text[:_SHOWN]!r} is {iso(found.ms)}, {self._outside(text)}")
        return found

    def _one(self, text: str) -> Moment:
        if "%" in self.form:
            found = datetime.strptime(text, self.form)  # noqa: DTZ007
            return Moment(epoch_ms(found), local=found.tzinfo is None)
        number = None if self.form == "iso" else _as_number(text)
        if number is None:
            if self.form in _UNITS:
                raise ValueError(f"expected epoch {UNIT_NAMES[self.form]}")
            return read_text(text)
        if self.form in _UNITS:
            return Moment(round(number * _UNITS[self.form]), local=False)
        date = self._compact_date(text)
        ms = round(float(_to_ms(np.array([number]))[0]))
        if self._compact or (date is not None and not self.times.first_ms <= ms <= self.times.last_ms):
            return date if date is not None else read_text(text)
        return Moment(ms, local=False)

    def _epochs(self, cells: Sequence[str]) -> Moments | None:
        try:
            numbers = np.array(cells, dtype=np.float64)
        except ValueError:
            return None
        if not np.isfinite(numbers).all():
            return None
        ms = np.rint(numbers * _UNITS[self.form] if self.form in _UNITS else _to_ms(numbers))
        if not self._all_inside(ms):
            return None  # before the conversion to int64, which has no such times
        return Moments(ms.astype(np.int64), local=False)

    def _all_inside(self, ms: NDArray[np.int64] | NDArray[np.float64]) -> bool:
        return bool(((ms >= self.times.first_ms) & (ms <= self.times.last_ms)).all())

    def _compact_date(self, text: str) -> Moment | None:
        try:
            found = read_text(text) if is_compact(text) else None
        except ValueError:
            return None
        return found if found is not None and self.times.first_ms <= found.ms <= self.times.last_ms else None

    def _outside(self, text: str) -> str:
        """Say what a time outside the range probably is, and what to do."""
        allowed = f"expected a time from {iso(self.times.first_ms)[:10]} to {iso(self.times.last_ms)[:10]}"
        number = _as_number(text)
        for unit, factor in _UNITS.items() if number is not None and self.form != "auto" else ():
            ms = number * factor if number is not None else 0.0
            if unit != self.form and self.times.first_ms <= ms <= self.times.last_ms:
                meant = f"as epoch {UNIT_NAMES[unit]} it is {iso(round(ms))}"
                return f"{allowed}; {meant}: give --time-format {unit}"
        date = self._compact_date(text)
        if date is not None:
            return f"{allowed}; as a date it is {iso(date.ms)}: give --time-format auto"
        if number is not None and 30_000 <= number < 75_000:  # years 1982 to 2105
            day = _SPREADSHEET_DAY_0 + timedelta(days=number)
            return (
                f"{allowed}; it is probably a spreadsheet's day number, {day:%Y-%m-%d}: format the column as a date "
                "and export it again"
            )
        return f"{allowed}; others are taken with --min-time and --max-time"


def _to_ms(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert epochs whose size says their unit."""
    factors = np.array(list(_UNITS.values()))
    ms: NDArray[np.float64] = numbers * factors[np.searchsorted(_LIMITS, np.abs(numbers), side="right")]
    return ms


def _day_first(cell: str) -> str:
    if len(cell) == 19 and cell[2] == "/" and cell[5] == "/":
        return f"{cell[6:10]}-{cell[3:5]}-{cell[:2]}T{cell[11:]}"
    date, _, time = cell.partition(" ")
    day, _, rest = date.partition("/")
    month, _, year = rest.partition("/")
    return f"{year}-{month:0>2}-{day:0>2}T{time}"


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_number(text: str) -> bool:
    return _as_number(text) is not None
