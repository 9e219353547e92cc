"""Match a CSV file's columns to time, series and values: once per file, from its header or from the user's names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eddy.errors import DataError
from eddy.event_times import USUAL_TIMES, TimeRange

TIME_NAMES = ("timestamp", "time", "ts", "datetime", "date_time", "event_time", "date")
SERIES_NAMES = ("series", "series_id")
LONGEST_LIST = 300  # characters of column names in an error
_TIME_OF_DAY = re.compile(r"[0-9]{1,2}:[0-9]{2}.*")


@dataclass(frozen=True)
class CsvLayout:
    """Describe files as the user does; the rest is found in the first lines of each.

    Attributes:
        time: time column; several are joined with a space. Empty = the first that is named like one.
        series: column of the series id. Empty = a column named ``series``, else the file's name without its ending.
        values: value columns. Empty = all others.
        wide: every value column is a series of its own, not a feature of one series.
        columns: names for the columns of files that have no header line; an empty name leaves a column out.
        time_format: see :class:`eddy.csv_files.times.TimeColumn`.
        timezone: IANA name of the zone of times that name none.
        times: event times that are accepted.
        decimal: decimal mark, ``.`` or ``,``; empty = found in the cells.
        thousands: mark between thousands; empty = none.
        delimiter: one character; empty = found in the first lines.
        encoding: name of a codec; empty = by byte order mark, else UTF-8.
        advice: what to do when a column is missing; empty = name the options of the commands.
        series_name: id of the series when there is no series column, in place of the file's name.
    """

    time: tuple[str, ...] = ()
    series: str = ""
    values: tuple[str, ...] = ()
    wide: bool = False
    columns: tuple[str, ...] = ()
    time_format: str = "auto"
    timezone: str = "UTC"
    times: TimeRange = USUAL_TIMES
    decimal: str = ""
    thousands: str = ""
    delimiter: str = ""
    encoding: str = ""
    series_name: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Columns:
    """Hold the layout of one file: indices into its rows.

    Attributes:
        names: of all columns.
        time, series, values: which of them are what; ``series`` is None if none names the series.
        value_names: names of ``values``.
        unnamed: columns that the header does not name: they have to be empty.
        has_header: whether the first row holds the names.
    """

    names: tuple[str, ...]
    time: tuple[int, ...]
    series: int | None
    values: tuple[int, ...]
    value_names: tuple[str, ...]
    unnamed: tuple[int, ...]
    has_header: bool

    @property
    def multivariate(self) -> bool:
        """Return whether an observation carries several named features."""
        return len(self.values) > 1

    @property
    def required(self) -> int:
        """Return how many cells a row has to have: all but those of unnamed columns at its end."""
        count = len(self.names)
        while count - 1 in self.unnamed:
            count -= 1
        return count


def find_columns(layout: CsvLayout, rows: Sequence[Sequence[str]], path: Path) -> Columns:
    """Match the layout against the file's first rows.

    Args:
        layout: what the user says.
        rows: the first row, and the second if there is one.
        path: for errors.

    Raises:
        DataError: a column is missing or there twice; names it, the columns found, and what to do.
    """
    cells = [cell.strip() for cell in rows[0]]
    if layout.columns:
        names, has_header = list(layout.columns), cells == list(layout.columns)
        if len(cells) != len(names):
            raise DataError(
                f"{path}: found {len(cells)} columns in the first line, expected {len(names)} as --columns "
                f"{','.join(names)} names them; name every column, in order"
            )
    else:
        names, has_header = cells, True
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise DataError(
            f"{path}: column {twice!r} is there twice; rename one, or give --columns for a file without header"
        )
    find = _Finder(names, path, layout.advice)
    second = rows[1] if has_header and len(rows) > 1 else rows[0]
    time = tuple(find.index(name, "time", "--time") for name in layout.time) or find.time(second)
    series: int | None = None
    if layout.series:
        series = find.index(layout.series, "series", "--series-column")
    elif not layout.wide:
        series = next((i for i, name in enumerate(names) if name.lower() in SERIES_NAMES and i not in time), None)
    if layout.values:
        values = tuple(find.index(name, "value", "--value") for name in layout.values)
    else:
        values = tuple(i for i, name in enumerate(names) if name and i not in time and i != series)
    if not values:
        raise DataError(f"{path}: no value column; found the columns {', '.join(named)}; name one with --value")
    if layout.wide and series is not None:
        raise DataError(
            f"{path}: --wide makes a series of every value column, so --series-column cannot be used with it"
        )
    unnamed = () if layout.columns or layout.values else tuple(i for i, name in enumerate(names) if not name)
    return Columns(tuple(names), time, series, values, tuple(names[i] for i in values), unnamed, has_header)


class _Finder:
    def __init__(self, names: Sequence[str], path: Path, advice: str) -> None:
        self.names, self.path, self.advice = names, path, advice
        self.lower = [name.lower() for name in names]

    def index(self, name: str, what: str, option: str) -> int:
        if name in self.names:
            return list(self.names).index(name)
        raise DataError(f"{self.path}: {what} column {name!r} is missing; {self._found(option)}")

    def time(self, row: Sequence[str]) -> tuple[int, ...]:
        """Return the time column, or those of date and time of day if the cells of ``row`` are such."""
        found = next((name for name in TIME_NAMES if name in self.lower), None)
        if found is None:
            raise DataError(f"{self.path}: no time column ({', '.join(TIME_NAMES)}); {self._found('--time')}")
        at = self.lower.index(found)
        if found == "time" and "date" in self.lower and at < len(row) and _TIME_OF_DAY.fullmatch(row[at].strip()):
            return self.lower.index("date"), at
        return (at,)

    def _found(self, option: str) -> str:
        names = ", ".join(name if name.isprintable() else repr(name) for name in self.names)
        shown = names if len(names) <= LONGEST_LIST else names[:LONGEST_LIST] + " …"
        usual = f"name the right one with {option}, or all of them with --columns if the file has no header line"
        return f"found the columns {shown}; {self.advice or usual}"
