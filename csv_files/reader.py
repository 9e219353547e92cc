"""Read the observations of one CSV file, block by block: wide or long, one series or many, in the file's order."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from eddy.csv_files.dialect import HEAD_BYTES, find_delimiter, find_encoding, head_lines, sep_line, undecodable
from eddy.csv_files.layout import SERIES_NAMES, TIME_NAMES, CsvLayout, find_columns
from eddy.csv_files.local_time import LocalClock
from eddy.csv_files.numbers import NumberForm
from eddy.csv_files.skipped import Skipped
from eddy.csv_files.time_text import Moment
from eddy.csv_files.times import TimeColumn
from eddy.errors import DataError
from eddy.observation import Observations
from eddy.texts import MAX_NAME_BYTES, PRINTABLE, is_name

ROWS = 8192  # parsed at once
DEFAULT = CsvLayout()
_SHOWN = 80  # characters of a wrong name


def read_csv(path: Path, layout: CsvLayout, skipped: Skipped) -> Iterator[Observations]:
    """Yield the observations of one file, in its order; memory stays bounded.

    A bad row (wrong number of cells, no series, a time or value that cannot be read, an infinite value) is given to
    ``skipped`` with its line number.

    Raises:
        DataError: the file cannot be read, is empty, lacks a column or is in another encoding; or a row is bad and
            ``skipped`` is strict.
        SettingsError: the layout has an option that cannot be used.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(HEAD_BYTES)
        encoding = find_encoding(head, layout.encoding)
        with path.open(encoding=encoding, newline="") as file:
            yield from _Reader(path, file, head_lines(head, encoding), layout, skipped).blocks()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise undecodable(path, encoding, layout.encoding) from None


@dataclass(frozen=True)
class _Rows:
    """Hold rows with the lines on which they begin; line numbers count every line of the file."""

    cells: list[list[str]]
    lines: list[int]


@dataclass(frozen=True)
class _Parsed:
    """Hold parsed rows: times are those of a local clock where ``local`` is set."""

    lines: list[int]
    series: NDArray[np.int32]
    ts: NDArray[np.int64]
    local: NDArray[np.bool_]
    values: NDArray[np.float64]

    def __getitem__(self, kept: NDArray[np.bool_]) -> _Parsed:
        lines = [line for line, keep in zip(self.lines, kept.tolist(), strict=True) if keep]
        return _Parsed(lines, self.series[kept], self.ts[kept], self.local[kept], self.values[kept])


class _Reader:
    def __init__(self, path: Path, file: TextIO, head: list[str], layout: CsvLayout, skipped: Skipped) -> None:
        self.path, self.layout, self.skipped = path, layout, skipped
        delimiter = sep_line(head)
        names = {name.lower() for name in (*TIME_NAMES, *SERIES_NAMES, *layout.time, *layout.values)}
        chosen = find_delimiter(head[1:] if delimiter else head, layout.delimiter or delimiter, names)
        self.reader = csv.reader(file, delimiter=chosen, skipinitialspace=True)
        self.numbers = NumberForm(layout.decimal, layout.thousands, chosen)
        self.times = TimeColumn(layout.time_format, layout.times)
        self.clock = LocalClock(layout.timezone)
        rows = self._rows(2, skip_first=bool(delimiter))
        first = next(rows, None)
        if first is None:
            raise DataError(f"{path}: is empty; expected a header line and rows")
        first.cells[0][0] = first.cells[0][0].removeprefix("\ufeff")
        self.columns = find_columns(layout, first.cells, path)
        at = 1 if self.columns.has_header else 0
        self.first = _Rows(first.cells[at:], first.lines[at:])
        self.series: dict[str, int] = {}
        if layout.wide:
            self.series = {name: i for i, name in enumerate(self.columns.value_names)}
        elif self.columns.series is None:
            self.series = {layout.series_name or path.stem: 0}
        for name in (*self.series, *self.columns.value_names):
            if not is_name(name):
                raise DataError(f"{path}: {_no_name(name)}")

    def blocks(self) -> Iterator[Observations]:
        for rows in self._rows(ROWS, self.first):
            self._fit(rows)
            parsed = self._fast(rows)
            if parsed is None:
                parsed = self._slow(rows)
            parsed = self._in_utc(parsed)
            if len(parsed.ts):
                yield self._block(parsed)

    def _rows(self, size: int, rows: _Rows | None = None, *, skip_first: bool = False) -> Iterator[_Rows]:
        """Yield the rows, so many at once; blank lines are left out."""
        reader = self.reader
        cells, lines = (rows.cells, rows.lines) if rows else ([], [])
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                self._bad(line, f"not a CSV row: {error}; is a quotation mark missing?")
                continue
            if not row or (skip_first and line == 1):
                continue
            cells.append(row)
            lines.append(line)
            if len(lines) >= size:
                yield _Rows(cells, lines)
                cells, lines = [], []
        if lines:
            yield _Rows(cells, lines)

    def _fit(self, rows: _Rows) -> None:
        """Cut off empty cells beyond the last column, add those that unnamed columns lack, refuse their content."""
        count, required = len(self.columns.names), self.columns.required
        if set(map(len, rows.cells)) == {count} and not self.columns.unnamed:
            return
        for at, row in enumerate(rows.cells):
            if len(row) > count and not any(cell.strip() for cell in row[count:]):
                rows.cells[at] = row[:count]
            elif required <= len(row) < count:
                rows.cells[at] = row + [""] * (count - len(row))
        for column in self.columns.unnamed:
            for row, line in zip(rows.cells, rows.lines, strict=True):
                if len(row) > column and row[column].strip():
                    raise DataError(
                        f"{self.path} line {line}: column {column + 1} has no name in the header, but holds "
                        f"{row[column].strip()[:40]!r}; name it there, or choose the value columns with --value"
                    )

    def _fast(self, rows: _Rows) -> _Parsed | None:
        """Parse all rows at once; return None if any of them needs a closer look."""
        columns = self.columns
        count = len(columns.names)
        if set(map(len, rows.cells)) != {count}:
            return None
        by_column = list(zip(*rows.cells, strict=True))
        times = self.times.parse(self._time_cells(by_column))
        values = self.numbers.columns([by_column[i] for i in columns.values])
        if times is None or values is None:
            return None
        if columns.series is None:
            series = np.zeros(len(values), np.int32)
        else:
            cells = by_column[columns.series]
            codes: dict[str, int] = {}
            for cell in dict.fromkeys(cells):  # in the file's order
                name = cell.strip()
                if not is_name(name):
                    return None
                codes[cell] = self.series.setdefault(name, len(self.series))
            series = np.fromiter(map(codes.__getitem__, cells), np.int32, len(cells))
        return _Parsed(rows.lines, series, times.ms, np.full(len(values), times.local), values)

    def _slow(self, rows: _Rows) -> _Parsed:
        """Parse row by row, leaving out the bad ones."""
        whole = [row for row in rows.cells if len(row) == len(self.columns.names)]
        self.times.begin(self._time_cells(list(zip(*whole, strict=True))) if whole else [])
        lines, series, ts, local, values = [], [], [], [], []
        for row, line in zip(rows.cells, rows.lines, strict=True):
            if not any(cell.strip() for cell in row):
                continue  # a blank line, as spreadsheets write it
            try:
                name, time, numbers = self._row(row)
            except ValueError as error:
                self._bad(line, str(error))
                continue
            if not name:
                self._bad(line, "the series is empty; expected its name", nameless=True)
                continue
            if not is_name(name):
                self._bad(line, _no_name(name))
                continue
            lines.append(line)
            series.append(self.series.setdefault(name, len(self.series)))
            ts.append(time.ms)
            local.append(time.local)
            values.append(numbers)
        array = np.array(values, np.float64).reshape(len(ts), len(self.columns.values))
        return _Parsed(lines, np.array(series, np.int32), np.array(ts, np.int64), np.array(local, bool), array)

    def _row(self, row: list[str]) -> tuple[str, Moment, list[float]]:
        columns = self.columns
        if len(row) != len(columns.names):
            found = f"found {len(row)} cells, expected {len(columns.names)} as in the first line"
            more = sum(cell.count("\n") for cell in row)
            ends = f"; the row goes on for {more} more lines: is a quotation mark missing?" if more else ""
            raise ValueError(found + ends)
        name = next(iter(self.series)) if columns.series is None else row[columns.series].strip()
        if not name:
            return "", Moment(0, local=False), []
        time = self.times.parse_one(" ".join(row[i] for i in columns.time))
        values = [self.numbers.one(row[i], name) for i, name in zip(columns.values, columns.value_names, strict=True)]
        return name, time, values

    def _in_utc(self, parsed: _Parsed) -> _Parsed:
        if self.clock.is_utc or not parsed.local.any():
            return parsed
        at = np.flatnonzero(parsed.local)
        parsed.ts[at], never = self.clock.to_utc(parsed.ts[at], parsed.series[at])
        if not never.any():
            return parsed
        kept = np.ones(len(parsed.ts), bool)
        kept[at] = ~never
        for row in np.flatnonzero(~kept):
            reason = f"the clock of {self.clock.name} skips this time; write times with their offset or in UTC"
            self._bad(parsed.lines[row], reason)
        return parsed[kept]

    def _time_cells(self, by_column: Sequence[Sequence[str]]) -> Sequence[str]:
        if len(self.columns.time) == 1:
            return by_column[self.columns.time[0]]
        return [" ".join(cells) for cells in zip(*(by_column[i] for i in self.columns.time), strict=True)]

    def _block(self, parsed: _Parsed) -> Observations:
        values = parsed.values
        if self.layout.wide:
            count, width = values.shape
            numbers = np.tile(np.arange(width, dtype=np.int32), count)
            return Observations(list(self.series), numbers, np.repeat(parsed.ts, width), values.reshape(-1, 1))
        features = self.columns.value_names if self.columns.multivariate else ()
        return Observations(list(self.series), parsed.series, parsed.ts, values, features)

    def _bad(self, line: int, reason: str, *, nameless: bool = False) -> None:
        self.skipped.add(str(self.path), line, reason, nameless=nameless)


def _no_name(text: str) -> str:
    return f"{text[:_SHOWN]!r} is no name for a series or a value; expected at most {MAX_NAME_BYTES} bytes, {PRINTABLE}"
