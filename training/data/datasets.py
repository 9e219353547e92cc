"""Read data sets from files: CSV (one series or many, long or wide, a folder, NAB's layout), UCR archive, UCI power."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import Floats, Ints, Series, WindowSpec
from eddy.models.windowing.windows import regularise
from eddy.patterns import matches
from eddy.training.data.labels import Labels, mark
from eddy.training.data.nab import parse_time
from eddy.training.data.power import SERIES as POWER_SERIES
from eddy.training.data.power import is_power, load_power
from eddy.training.data.ucr import INTERVAL_MS, is_ucr, load_ucr

Form = Literal["auto", "csv", "nab", "ucr", "power"]
TIME_NAMES = ("timestamp", "time", "ts", "datetime", "date_time", "date")
SERIES_NAMES = ("series", "series_id")
_MISSING = frozenset(("", "?", "nan", "null", "none", "na"))
_SECONDS_BELOW = 100_000_000_000  # a whole number below it is in epoch seconds: as milliseconds it would be March 1973


@dataclass(frozen=True)
class RawSeries:
    """Hold a series as read: ``ts`` (n,) epoch ms in the file's order, ``values`` (n, F), NaN where missing."""

    name: str
    ts: Ints
    values: Floats


@dataclass(frozen=True)
class Dataset:
    """Hold series with the same features.

    Attributes:
        features: names of the columns of every series' values.
        series: the series as read.
        train_rows: number of rows that the data set itself marks for training, by series (UCR).
        anomalies: anomalous spans that the data set marks, by series (UCR).
    """

    features: tuple[str, ...]
    series: tuple[RawSeries, ...]
    train_rows: Mapping[str, int] = field(default_factory=dict)
    anomalies: Labels = field(default_factory=dict)

    def only(self, pattern: str) -> Dataset:
        """Return the series whose names match a glob pattern.

        Raises:
            DataError: no series matches; names some that exist.
        """
        chosen = tuple(s for s in self.series if matches(pattern, s.name))
        if not chosen:
            some = ", ".join(s.name for s in self.series[:5])
            raise DataError(f"no series matches {pattern!r}; there are {len(self.series)}, such as {some}")
        return replace(self, series=chosen)

    def interval_ms(self) -> int:
        """Return the sampling interval that most steps of every series have.

        Raises:
            DataError: intervals differ between series, or no series has two points.
        """
        found = {s.name: _usual_step(s.ts) for s in self.series if len(s.ts) > 1}
        if not found:
            raise DataError(
                "training data: no series has two points, so there is no sampling interval; give --interval"
            )
        if len(set(found.values())) > 1:
            (a, x), (b, y) = min(found.items(), key=lambda i: i[1]), max(found.items(), key=lambda i: i[1])
            raise DataError(
                f"series differ in their interval: {a} has {x / 1000:g} s, {b} has {y / 1000:g} s; "
                "choose some with --series, or one interval for all with --interval"
            )
        return next(iter(found.values()))

    def regular(self, spec: WindowSpec, until: int | None = None, share: float = 1.0) -> list[Series]:
        """Return regular segments like those of the job's windows, cut in time.

        Args:
            spec: interval and gap policy.
            until: epoch ms; only earlier points are kept.
            share: first share of the points of each series, after ``until``.
        """
        segments = []
        for s in self.series:
            kept = np.argsort(s.ts, kind="stable")
            kept = kept[s.ts[kept] < until] if until is not None else kept
            kept = kept[: max(round(share * len(kept)), 1)]
            segments += regularise(s.name, s.ts[kept], s.values[kept], spec)
        return segments


def labelled_part(data: Dataset, labels: Labels, spec: WindowSpec, until: int | None, share: float) -> list[Series]:
    """Return the part of the series on which labels choose a limit.

    That is everything after the training part, or all of the series if nothing after it is labelled.
    """
    later = []
    for s in data.series:
        order = np.argsort(s.ts, kind="stable")
        kept = order[s.ts[order] < until] if until is not None else order
        rest = order[max(round(share * len(kept)), 1) :]
        later += regularise(s.name, s.ts[rest], s.values[rest], spec)
    if any(mark(labels, s).any() for s in later):
        return later
    return data.regular(spec)


def load(
    path: Path,
    time: str = "",
    series: str = "",
    features: Sequence[str] = (),
    wide: bool = False,
    form: str = "auto",
) -> Dataset:
    """Read a file, or every file of a folder.

    Args:
        form: ``csv``; ``nab`` (CSV with ``timestamp,value``); ``ucr`` (one column of numbers, training length and
            anomaly in the file's name); ``power`` (UCI household power); ``auto`` recognises the form by name and first
            line.
        path: file or folder. A file without a series column is one series, named after the file.
        time: time column; default: the first column with a usual name for time. Its cells are ISO-8601 (UTC if no
            offset is given) or whole numbers, epoch seconds or milliseconds.
        series: column of the series id; default: a column called ``series``, if there is one.
        features: value columns; default: all others.
        wide: every value column is a series of its own, named after the column.

    Raises:
        DataError: the file or column does not exist, or a cell cannot be read; names file and line.
    """
    if form not in get_args(Form):
        raise SettingsError(f"format {form!r} is unknown; expected one of {', '.join(get_args(Form))}")
    if form in ("ucr", "power") and (time or series or wide):
        raise SettingsError(f"columns of format {form} are fixed; --value may choose some, nothing else can be named")
    if form == "ucr" or (form == "auto" and (is_ucr(path) or (path.is_dir() and any(map(is_ucr, path.iterdir()))))):
        return _ucr(path)
    if form == "power" or (form == "auto" and is_power(path)):
        return _power(path, features)
    time, features = ("timestamp", ("value",)) if form == "nab" else (time, features)
    files = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: the folder holds no CSV file")
    parts: list[tuple[tuple[str, ...], RawSeries]] = []
    for file in files:
        parts += _read(file, time, series, tuple(features), wide)
    names = {columns for columns, _ in parts}
    if len(names) > 1:
        a, b = sorted(names)[:2]
        raise DataError(f"{path}: files differ in their value columns, {', '.join(a)} and {', '.join(b)}; use --value")
    if not parts:
        raise DataError(f"{path}: no row of data")
    merged: dict[str, list[RawSeries]] = {}
    for _, raw in parts:
        merged.setdefault(raw.name, []).append(raw)
    joined = tuple(
        RawSeries(name, np.concatenate([s.ts for s in own]), np.concatenate([s.values for s in own]))
        for name, own in merged.items()
    )
    return Dataset(names.pop(), joined)


def _ucr(path: Path) -> Dataset:
    files = sorted(file for file in path.iterdir() if is_ucr(file)) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no .txt file of the UCR archive")
    found = [load_ucr(file) for file in files]
    series = tuple(
        RawSeries(s.name, np.arange(len(s.values), dtype=np.int64) * INTERVAL_MS, s.values[:, None]) for s in found
    )
    anomalies = {s.name: [(s.first * INTERVAL_MS, s.last * INTERVAL_MS)] for s in found}
    return Dataset(("value",), series, {s.name: s.train for s in found}, anomalies)


def _power(path: Path, features: Sequence[str]) -> Dataset:
    names, ts, values = load_power(path)
    for name in features:
        if name not in names:
            raise DataError(f"{path}: no column {name!r}; found {', '.join(names)}")
    chosen = tuple(features) or names
    kept = values[:, [names.index(name) for name in chosen]]
    return Dataset(chosen if len(chosen) > 1 else ("value",), (RawSeries(POWER_SERIES, ts, kept),))


def _read(
    path: Path, time: str, series: str, features: tuple[str, ...], wide: bool
) -> Iterator[tuple[tuple[str, ...], RawSeries]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [cell.strip() for cell in next(rows, [])]
            if not any(header):
                raise DataError(f"{path}: is empty; expected a header line and rows")
            columns = _Columns.find(path, header, time, series, features)
            cells = [row for row in rows if row]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8: {error}") from None
    if not cells:
        return
    for line, row in enumerate(cells, 2):
        if len(row) != len(header):
            raise DataError(f"{path} line {line}: found {len(row)} cells, expected {len(header)} as in the header")
    ts = np.array([_time(path, line, row[columns.time]) for line, row in enumerate(cells, 2)], np.int64)
    values = np.array([[_number(path, line, row[i]) for i in columns.values] for line, row in enumerate(cells, 2)])
    names = tuple(header[i] for i in columns.values)
    # A single value has no name here, as in the messages of the producers, so its column may have any name.
    features = names if len(names) > 1 else ("value",)
    if wide:
        for i, name in enumerate(names):
            yield ("value",), RawSeries(name, ts, values[:, i : i + 1])
    elif columns.series is None:
        yield features, RawSeries(path.stem, ts, values)
    else:
        called = np.array([row[columns.series] for row in cells])
        unique, code = np.unique(called, return_inverse=True)
        order = np.argsort(code, kind="stable")
        for name, own in zip(unique, np.split(order, np.flatnonzero(np.diff(code[order])) + 1), strict=True):
            yield features, RawSeries(str(name), ts[own], values[own])


@dataclass(frozen=True)
class _Columns:
    time: int
    series: int | None
    values: tuple[int, ...]

    @classmethod
    def find(cls, path: Path, header: list[str], time: str, series: str, features: tuple[str, ...]) -> _Columns:
        lower = [name.lower() for name in header]
        for asked in (time, series, *features):
            if asked and asked not in header:
                raise DataError(f"{path}: no column {asked!r}; found {', '.join(header) or 'an empty file'}")
        when = header.index(time) if time else next((lower.index(n) for n in TIME_NAMES if n in lower), None)
        if when is None:
            raise DataError(
                f"{path}: no time column; found {', '.join(header) or 'an empty file'}; expected one called "
                f"{', '.join(TIME_NAMES)}, or name it with --time"
            )
        whose = header.index(series) if series else next((lower.index(n) for n in SERIES_NAMES if n in lower), None)
        others = [i for i in range(len(header)) if i not in (when, whose)]
        values = tuple(header.index(f) for f in features) if features else tuple(others)
        if not values:
            raise DataError(f"{path}: no value column beside {', '.join(header)}")
        return cls(when, whose, values)


def _time(path: Path, line: int, cell: str) -> int:
    text = cell.strip()
    if text.lstrip("-").isdigit():
        number = int(text)
        return number * 1000 if abs(number) < _SECONDS_BELOW else number
    try:
        return parse_time(text)
    except DataError as error:
        raise DataError(f"{path} line {line}: {error}") from None


def _number(path: Path, line: int, cell: str) -> float:
    text = cell.strip()
    if text.lower() in _MISSING:
        return np.nan
    try:
        number = float(text)
    except ValueError:
        raise DataError(
            f"{path} line {line}: value {text[:40]!r} is not a number; leave text columns out with --value"
        ) from None
    if np.isinf(number):
        raise DataError(f"{path} line {line}: the value is infinite; leave the cell empty where a value is missing")
    return number


def _usual_step(ts: Ints) -> int:
    steps = np.diff(np.unique(ts))
    return int(np.median(steps)) if len(steps) else 0
