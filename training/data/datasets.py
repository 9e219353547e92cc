"""Read data sets from files: CSV (one series or many, long or wide, a folder), NAB's and UCI power's, UCR archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.power import POWER_LAYOUT, is_power
from eddy.csv_files.reader import DEFAULT, read_csv
from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError, SettingsError
from eddy.models.core.detector import Floats, Ints, Series, WindowSpec
from eddy.models.windowing.sampling import usual_step
from eddy.models.windowing.windows import regularise
from eddy.patterns import matches
from eddy.training.data.labels import Labels, mark
from eddy.training.data.ucr import INTERVAL_MS, is_ucr, load_ucr

Form = Literal["auto", "csv", "nab", "ucr", "power"]


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
        found = {s.name: usual_step(s.ts) for s in self.series if len(s.ts) > 1}
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
    *,
    layout: CsvLayout = DEFAULT,
    skipped: Skipped | None = None,
) -> Dataset:
    """Read a file, or every file of a folder.

    Args:
        form: ``csv``; ``nab`` (CSV with ``timestamp,value``); ``ucr`` (one column of numbers, training length and
            anomaly in the file's name); ``power`` (UCI household power); ``auto`` recognises the form by name and first
            line.
        path: file or folder. A file without a series column is one series, named after the file.
        time: time column; default: the first column with a usual name for time.
        series: column of the series id; default: a column called ``series``, if there is one.
        features: value columns; default: all others.
        wide: every value column is a series of its own, named after the column.
        layout: all else about CSV files; what stands above goes before it.
        skipped: counts the rows that are left out. Default: rows without a series are left out, any other bad row is an
            error.

    Raises:
        DataError: the file or column does not exist, or a cell cannot be read; names file and line.
    """
    if form not in get_args(Form):
        raise SettingsError(f"format {form!r} is unknown; expected one of {', '.join(get_args(Form))}")
    layout = replace(
        layout,
        time=(time,) if time else layout.time,
        series=series or layout.series,
        values=tuple(features) or layout.values,
        wide=wide or layout.wide,
    )
    if form in ("ucr", "power") and (layout.time or layout.series or layout.wide):
        raise SettingsError(f"columns of format {form} are fixed; --value may choose some, nothing else can be named")
    if form == "ucr" or (form == "auto" and (is_ucr(path) or (path.is_dir() and any(map(is_ucr, path.iterdir()))))):
        return _ucr(path)
    if form == "power" or (form == "auto" and is_power(path)):
        layout = replace(POWER_LAYOUT, values=layout.values)
    elif form == "nab":
        layout = replace(layout, time=("timestamp",), values=("value",))
    files = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: the folder holds no CSV file")
    return _csv(path, files, layout, skipped or strict())


def strict() -> Skipped:
    """Return what leaves out rows without a series and raises at any other bad row."""
    return Skipped(strict=True, nameless=True, advice="--skip-bad-rows leaves such rows out and counts them")


def _csv(path: Path, files: Sequence[Path], layout: CsvLayout, skipped: Skipped) -> Dataset:
    blocks = [block for file in files for block in read_csv(file, layout, skipped)]
    if not blocks:
        raise DataError(f"{path}: no row of data{f', as in {skipped.examples[0]}' if skipped.examples else ''}")
    features = {block.features for block in blocks}
    if len(features) > 1:
        a, b = sorted(", ".join(names or ("a single value",)) for names in features)[:2]
        raise DataError(f"{path}: files differ in their value columns, {a} and {b}; use --value")
    names: dict[str, int] = {}
    codes = np.concatenate(
        [np.array([names.setdefault(n, len(names)) for n in block.names], np.int64)[block.series] for block in blocks]
    )
    ts, values = np.concatenate([b.ts for b in blocks]), np.concatenate([b.values for b in blocks])
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(1, len(names)))
    parts = zip(names, np.split(order, bounds), strict=True)
    series = [RawSeries(name, ts[own], values[own]) for name, own in parts if len(own)]
    if not layout.wide:
        series.sort(key=lambda s: s.name)
    # A single value has no name here, as in the messages of the producers, so its column may have any name.
    return Dataset(features.pop() or ("value",), tuple(series))


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
