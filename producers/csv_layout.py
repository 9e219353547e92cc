"""Match a CSV file's columns to time, series and values: once per file, from its header or from the user's names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eddy.errors import DataError

TIME_NAMES = ("timestamp", "ts", "time", "datetime", "date", "event_time")
SERIES_NAMES = ("series", "series_id")
LONGEST_LIST = 300  # characters of column names in an error
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class CsvLayout:
    """Describe the files' columns as the user names them; the rest is found from the header.

    Attributes:
        time: time column; several are joined with a space. Empty = the first that is named like one.
        series: column of the series id. Empty = a column named ``series``, else the file's name without its ending.
        values: value columns. Empty = all others.
        wide: every value column is a series of its own, not a feature of one series.
        columns: names for the columns of files that have no header line.
        time_format: see :func:`eddy.producers.csv_times.time_parser`.
        delimiter: one character; empty = found from the first line.
        advice: what to do when a column is missing; empty = name the options of ``eddy produce csv``.
        series_name: id of the series when there is no series column, in place of the file's name.
    """

    time: tuple[str, ...] = ()
    series: str = ""
    values: tuple[str, ...] = ()
    wide: bool = False
    columns: tuple[str, ...] = ()
    time_format: str = "auto"
    delimiter: str = ""
    series_name: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Columns:
    """Hold the layout of one file: indices into its rows."""

    count: int
    time: tuple[int, ...]
    series: int | None
    values: tuple[int, ...]
    value_names: tuple[str, ...]
    has_header: bool

    @property
    def multivariate(self) -> bool:
        """Return whether an observation carries several named features."""
        return len(self.values) > 1


def find_delimiter(first_line: str, chosen: str) -> str:
    """Return the delimiter: the user's, else the one that cuts the first line into most cells."""
    if chosen:
        return "\t" if chosen == "\\t" else chosen
    return max(DELIMITERS, key=first_line.count)


def find_columns(layout: CsvLayout, first_row: Sequence[str], path: Path) -> Columns:
    """Match the layout against the file's first row.

    Raises:
        DataError: a column is missing; names it, the columns found, and what to do.
    """
    cells = [cell.strip() for cell in first_row]
    if layout.columns:
        names, has_header = list(layout.columns), cells == list(layout.columns)
        if len(cells) != len(names):
            raise DataError(
                f"{path}: found {len(cells)} columns in the first line, expected {len(names)} as --columns "
                f"{','.join(names)} names them; name every column, in order"
            )
    else:
        names, has_header = cells, True
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"{path}: column {twice!r} is there twice; rename one, or give --columns for a file without header"
        )
    find = _Finder(names, path, layout.advice)
    time = tuple(find.index(name, "time", "--time") for name in layout.time) or (
        find.first(TIME_NAMES, "time", "--time"),
    )
    series: int | None = None
    if layout.series:
        series = find.index(layout.series, "series", "--series-column")
    elif not layout.wide:
        series = next((i for i, name in enumerate(names) if name.lower() in SERIES_NAMES and i not in time), None)
    if layout.values:
        values = tuple(find.index(name, "value", "--value") for name in layout.values)
    else:
        values = tuple(i for i in range(len(names)) if i not in time and i != series)
    if not values:
        raise DataError(f"{path}: no value column; found the columns {', '.join(names)}; name one with --value")
    if layout.wide and series is not None:
        raise DataError(
            f"{path}: --wide makes a series of every value column, so --series-column cannot be used with it"
        )
    return Columns(len(names), time, series, values, tuple(names[i] for i in values), has_header)


class _Finder:
    def __init__(self, names: Sequence[str], path: Path, advice: str) -> None:
        self.names, self.path, self.advice = names, path, advice

    def index(self, name: str, what: str, option: str) -> int:
        if name in self.names:
            return list(self.names).index(name)
        raise DataError(f"{self.path}: {what} column {name!r} is missing; {self._found(option)}")

    def first(self, candidates: Sequence[str], what: str, option: str) -> int:
        lower = [name.lower() for name in self.names]
        for candidate in candidates:
            if candidate in lower:
                return lower.index(candidate)
        raise DataError(f"{self.path}: no {what} column ({', '.join(candidates)}); {self._found(option)}")

    def _found(self, option: str) -> str:
        names = ", ".join(name if name.isprintable() else repr(name) for name in self.names)
        shown = names if len(names) <= LONGEST_LIST else names[:LONGEST_LIST] + " …"
        usual = f"name the right one with {option}, or all of them with --columns if the file has no header line"
        return f"found the columns {shown}; {self.advice or usual}"
