"""Read any CSV file as a source: wide or long, one series or many, in order of event time or of the file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError
from eddy.observation import Observations
from eddy.producers.csv_layout import Columns, CsvLayout, find_columns, find_delimiter
from eddy.producers.csv_times import ParseTime, parse_times, time_parser
from eddy.producers.source import Blocks, Skipped

ROWS = 8192  # parsed at once
MISSING = frozenset(("", "?", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "-"))
DEFAULT = CsvLayout()
_AS_NAN = dict.fromkeys(MISSING, "nan")

Order = Literal["time", "file"]


class CsvSource:
    """Read observations from one or more CSV files.

    Bad rows (wrong number of cells, no series, a time or value that does not parse, an infinite value) are skipped and
    counted with their line number. In order ``time`` everything is read first, then sorted by event time across series
    and files (stable); in order ``file`` memory stays bounded.
    """

    def __init__(
        self, paths: Sequence[Path], layout: CsvLayout = DEFAULT, *, order: Order = "time", strict: bool = False
    ) -> None:
        for path in paths:
            if not path.is_file():  # known before a broker is asked
                raise DataError(f"{path}: is not a file; name an existing CSV file")
        self.paths = tuple(paths)
        self.layout = layout
        self.order = order
        self.skipped = Skipped(strict=strict)
        self._sorted: list[Observations] | None = None
        self._counted = False

    @property
    def total(self) -> int | None:
        """Return the number of observations, known once all are read."""
        return sum(map(len, self._load())) if self.order == "time" else None

    def blocks(self) -> Blocks:
        if self.order == "time":
            yield from self._load()
            return
        # A second round over the same files must not count the same bad rows again.
        skipped, self._counted = Skipped() if self._counted else self.skipped, True
        for path in self.paths:
            yield from read_csv(path, self.layout, skipped)

    def _load(self) -> list[Observations]:
        if self._sorted is None:
            read = [block for path in self.paths for block in read_csv(path, self.layout, self.skipped)]
            self._sorted = in_time_order(read)
        return self._sorted


def read_csv(path: Path, layout: CsvLayout, skipped: Skipped) -> Iterator[Observations]:
    """Yield the observations of one file, in its order.

    Raises:
        DataError: the file cannot be read, is empty or lacks a column; or a row is bad and ``skipped`` is strict.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            yield from _Reader(path, file, layout, skipped).blocks()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def in_time_order(blocks: Sequence[Observations]) -> list[Observations]:
    """Return the same observations sorted by event time; rows of the same time keep their order."""
    if not blocks:
        return []
    if len({block.features for block in blocks}) > 1:
        # Different features cannot share one array: sort within runs of the same, in the order of the files.
        runs: list[list[Observations]] = []
        for block in blocks:
            if runs and runs[-1][0].features == block.features:
                runs[-1].append(block)
            else:
                runs.append([block])
        return [part for run in runs for part in in_time_order(run)]
    names: dict[str, int] = {}
    series = []
    for block in blocks:
        known = np.array([names.setdefault(name, len(names)) for name in block.names], dtype=np.int32)
        series.append(known[block.series])
    ts = np.concatenate([block.ts for block in blocks])
    order = np.argsort(ts, kind="stable")
    values = np.concatenate([block.values for block in blocks])
    whole = Observations(list(names), np.concatenate(series)[order], ts[order], values[order], blocks[0].features)
    return [whole[at : at + ROWS] for at in range(0, len(whole), ROWS)]


@dataclass(frozen=True)
class _Rows:
    cells: list[list[str]]
    lines: list[int]


class _Reader:
    def __init__(self, path: Path, file: TextIO, layout: CsvLayout, skipped: Skipped) -> None:
        first = file.readline()
        if not first.strip():
            raise DataError(f"{path}: is empty; expected a header line and rows")
        self.path, self.layout, self.skipped = path, layout, skipped
        file.seek(0)
        self.reader = csv.reader(file, delimiter=find_delimiter(first, layout.delimiter), skipinitialspace=True)
        row = next(self.reader)
        self.columns: Columns = find_columns(layout, row, path)
        self.pending = [] if self.columns.has_header else [row]
        self.names: dict[str, int] = {}
        self.parse: ParseTime = time_parser(layout.time_format)
        own = layout.series_name or path.stem
        if layout.wide:
            self.names = {name: i for i, name in enumerate(self.columns.value_names)}
        elif self.columns.series is None:
            self.names = {own: 0}

    def blocks(self) -> Iterator[Observations]:
        for rows in self._rows():
            block = self._fast(rows)
            if block is None:
                block = self._slow(rows)
            if len(block):
                yield block

    def _rows(self) -> Iterator[_Rows]:
        rows = _Rows(list(self.pending), [1] * len(self.pending))
        while True:
            before = self.reader.line_num
            try:
                row = next(self.reader)
            except StopIteration:
                break
            except csv.Error as error:
                self._bad(before + 1, f"not a CSV row: {error}")
                continue
            if not row:
                continue  # an empty line
            rows.cells.append(row)
            rows.lines.append(before + 1)
            if len(rows.cells) == ROWS:
                yield rows
                rows = _Rows([], [])
        if rows.cells:
            yield rows

    def _fast(self, rows: _Rows) -> Observations | None:
        """Parse all rows at once; return None if any of them needs a closer look."""
        columns = self.columns
        if any(len(row) != columns.count for row in rows.cells):
            return None
        by_column = list(zip(*rows.cells, strict=True))
        cells = by_column[columns.time[0]] if len(columns.time) == 1 else [self._time_cell(row) for row in rows.cells]
        ts = parse_times(cells, self.layout.time_format)
        if ts is None:
            return None
        try:
            values = np.column_stack([_floats(by_column[i]) for i in columns.values])
        except ValueError:
            return None
        if np.isinf(values).any():
            return None
        if columns.series is None:
            series = np.zeros(len(ts), np.int32)
        elif any(not cell.strip() for cell in by_column[columns.series]):
            return None
        else:
            known = self.names
            series = np.array([known.setdefault(c.strip(), len(known)) for c in by_column[columns.series]], np.int32)
        return self._block(series, ts, values)

    def _slow(self, rows: _Rows) -> Observations:
        """Parse row by row, leaving out the bad ones."""
        series, ts, values = [], [], []
        for row, line in zip(rows.cells, rows.lines, strict=True):
            try:
                one = self._row(row)
            except ValueError as error:
                self._bad(line, str(error))
                continue
            series.append(one[0])
            ts.append(one[1])
            values.append(one[2])
        width = len(self.columns.values)
        array = np.array(values, np.float64).reshape(len(ts), width)
        return self._block(np.array(series, np.int32), np.array(ts, np.int64), array)

    def _row(self, row: list[str]) -> tuple[int, int, list[float]]:
        columns = self.columns
        if len(row) != columns.count:
            raise ValueError(f"found {len(row)} cells, expected {columns.count}")
        cell = self._time_cell(row)
        try:
            ts = self.parse(cell)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"time {cell!r}: {error}") from None
        values = [_float(row[i], name) for i, name in zip(columns.values, columns.value_names, strict=True)]
        if columns.series is None:
            return 0, ts, values
        name = row[columns.series].strip()
        if not name:
            raise ValueError("the series is empty")
        return self.names.setdefault(name, len(self.names)), ts, values

    def _time_cell(self, row: Sequence[str]) -> str:
        return " ".join(row[i] for i in self.columns.time)

    def _block(self, series: NDArray[np.int32], ts: NDArray[np.int64], values: NDArray[np.float64]) -> Observations:
        if self.layout.wide:
            count, width = values.shape
            numbers = np.tile(np.arange(width, dtype=np.int32), count)
            return Observations(list(self.names), numbers, np.repeat(ts, width), values.reshape(-1, 1))
        features = self.columns.value_names if self.columns.multivariate else ()
        return Observations(list(self.names), series, ts, values, features)

    def _bad(self, line: int, reason: str) -> None:
        self.skipped.add(str(self.path), line, reason)


def _floats(cells: Sequence[str]) -> NDArray[np.float64]:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return np.array([_AS_NAN.get(cell.strip(), cell) for cell in cells], dtype=np.float64)


def _float(cell: str, name: str) -> float:
    text = cell.strip()
    if text in MISSING:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} {cell!r}: not a number") from None
    if math.isinf(number):
        raise ValueError(f"{name} {cell!r}: infinite")
    return number
