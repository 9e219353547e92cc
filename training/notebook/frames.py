"""Data sets from data frames: pandas, polars, Arrow and whatever else narwhals reads; long form or wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np

from eddy.csv_files.layout import SERIES_NAMES, TIME_NAMES
from eddy.errors import DataError, SettingsError
from eddy.intervals import ms_to_interval
from eddy.models.core.detector import Floats, Ints
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.notebook.frame_columns import moment, numbers_of, texts_of, times_of

Layout = Literal["auto", "long", "wide"]
_INDEX = "time"  # what the index of a pandas frame is called where it has no name
_SURE = 10  # points of a series from which on its usual step says what its interval is


@dataclass(frozen=True)
class Columns:
    """Which columns of a frame are what.

    Attributes:
        time: the time column; empty: the first that is named like one, or a pandas frame's index of times.
        series: the column of the series id, of the long form; empty: one called ``series``, if there is one.
        values: the value columns; empty: all others.
        layout: ``long``: a row per series and time; ``wide``: a row per time and a column per series; ``auto``: long
            where there is a series column.
        timezone: zone of times that name none.
    """

    time: str = ""
    series: str = ""
    values: tuple[str, ...] = ()
    layout: Layout = "auto"
    timezone: str = "UTC"


@dataclass(frozen=True)
class Frame:
    """A data frame's observations, sorted by series and then by time.

    Attributes:
        features: names of the values of a point.
        names: series ids, in the frame's order.
        codes, ts: (n,) series (an index into ``names``) and epoch ms of each observation.
        values: (n, F), NaN where missing.
        rows: (n,) the frame's row that each observation stands in.
        height: rows of the frame.
        long: whether it is in long form: then an observation is a row, else a cell.
        time: name of the time column, for errors.
        value_columns: names of the value columns of the long form; empty for the wide form.
        backend: the data frame library, to answer in kind.
    """

    features: tuple[str, ...]
    names: list[str]
    codes: Ints
    ts: Ints
    values: Floats
    rows: Ints
    height: int
    long: bool
    time: str
    value_columns: tuple[str, ...] = ()
    backend: Any = field(default=None, repr=False)

    def dataset(self) -> Dataset:
        """The same as a data set; its series, one after another, hold the observations in the same order."""
        bounds = np.searchsorted(self.codes, np.arange(1, len(self.names)))
        parts = zip(self.names, np.split(self.ts, bounds), np.split(self.values, bounds), strict=True)
        return Dataset(self.features, tuple(RawSeries(*part) for part in parts))

    def usual_steps(self) -> dict[str, int]:
        """Usual time between two points, in ms, of each series that has two."""
        data = self.dataset()
        return {s.name: replace(data, series=(s,)).interval_ms() for s in data.series if len(s.ts) > 1}


def read_frame(data: Any, columns: Columns | None = None, fitted: Sequence[str] = ()) -> Frame:
    """Read a data frame.

    Missing cells: in the wide form a series has no point there; in the long form the point has no value.

    Args:
        data: pandas, polars (lazy too) or Arrow, or another frame that narwhals or Arrow's C stream interface reads;
            a pandas series with an index of times is one series.
        columns: which are what.
        fitted: value columns of the long form that a model was fitted on, where ``columns`` names none.

    Raises:
        DataError: no such column, no row, or cells that cannot be used; names the column.
        SettingsError: an unknown layout or time zone.
    """
    columns = columns or Columns()
    if columns.layout not in get_args(Layout):
        raise SettingsError(f"layout {columns.layout!r}: expected one of {', '.join(get_args(Layout))}")
    frame = _narwhals(data, columns)
    header = list(frame.columns)
    for asked in (columns.time, columns.series, *columns.values):
        if asked and asked not in header:
            raise DataError(f"column {asked!r}: not in the frame; found {_listed(header)}")
    if not len(frame):
        raise DataError(f"the frame has no row; found the columns {_listed(header)}; expected a row per point")
    time = columns.time or _named(header, TIME_NAMES)
    if not time:
        raise DataError(
            f"no time column: found {_listed(header)}, expected one called {', '.join(TIME_NAMES)}; name it with time="
        )
    series = columns.series or _named(header, SERIES_NAMES)
    if columns.layout == "long" and not series:
        raise DataError(
            f"no series column: found {_listed(header)}, expected one called 'series'; name it with series=, or add it"
        )
    long = columns.layout == "long" or (columns.layout == "auto" and bool(series))
    if long:
        for name in fitted:
            if name not in header:
                raise DataError(f"column {name!r}: the detector was fitted on it; found {_listed(header)}")
        return _long(frame, time, series, replace(columns, values=columns.values or tuple(fitted)))
    return _wide(frame, time, columns)


def found_interval(frame: Frame, given: int | None) -> int:
    """The sampling interval in ms: the given one, checked against the data, or the one that all series have.

    Args:
        frame: the data.
        given: in ms; 0: points are not clocked; None: find it.

    Raises:
        DataError: the given one does not fit, or series differ, or none has two points; says what to give.
    """
    steps = frame.usual_steps()
    if given is not None:
        check_interval(frame, given, steps)
        return given
    if not steps:
        raise DataError(
            f"column {frame.time!r}: no series has two points, so no interval is found; give interval=, such as '10m'"
        )
    (slow, most), (fast, least) = (f(steps.items(), key=lambda item: item[1]) for f in (max, min))
    if most != least:
        raise DataError(
            f"column {frame.time!r}: series differ in their interval: {fast!r} has a point every "
            f"{ms_to_interval(least)}, {slow!r} every {ms_to_interval(most)}; give interval= if that is one interval "
            "with some jitter, else resample the frame, or one detector for each"
        )
    return most


def check_interval(frame: Frame, interval_ms: int, steps: dict[str, int] | None = None) -> None:
    """Refuse data whose points come at another interval than the model's; 0 fits all.

    Raises:
        DataError: names a series, what it has and what was expected.
    """
    if not interval_ms:
        return
    counts = dict(zip(frame.names, np.bincount(frame.codes, minlength=len(frame.names)).tolist(), strict=True))
    for name, step in (frame.usual_steps() if steps is None else steps).items():
        points = round(step / interval_ms)  # a short series may have a gap where a long one has a rule
        if points < 1 or (points > 1 and counts[name] >= _SURE):
            raise DataError(
                f"column {frame.time!r}: series {name!r} has a point every {ms_to_interval(step)}, the interval is "
                f"{ms_to_interval(interval_ms)}; give the detector interval={ms_to_interval(step)!r}, or resample the "
                "frame"
            )


def _narwhals(data: Any, columns: Columns) -> nw.DataFrame[Any]:
    if nw.dependencies.is_pandas_series(data):
        data = data.to_frame("value" if data.name is None else data.name)
    if nw.dependencies.is_pandas_dataframe(data):
        data = _named_columns(data, columns.time)
    try:
        frame = nw.from_native(data)
    except TypeError:
        if not hasattr(data, "__arrow_c_stream__"):
            found = f"{type(data).__module__}.{type(data).__qualname__}"
            raise DataError(f"found {found}, expected a pandas, polars or Arrow data frame; convert it") from None
        frame = nw.from_arrow(data, backend="pyarrow")
    return frame.collect() if isinstance(frame, nw.LazyFrame) else frame


def _named_columns(data: Any, time: str) -> Any:
    """A pandas frame with text for names, and its index of times as a column where no column is the time."""
    if data.columns.nlevels > 1:
        raise DataError(
            f"columns: found names of {data.columns.nlevels} levels, such as {data.columns[0]!r}; expected one level; "
            "flatten them"
        )
    data = data.rename(columns=str)
    named = time in data.columns if time else bool(_named(list(data.columns), TIME_NAMES))
    kind = type(data.index).__name__
    if named or kind == "RangeIndex":
        return data
    if kind == "PeriodIndex":
        data = data.to_timestamp()
    if kind in ("DatetimeIndex", "PeriodIndex"):
        return data.reset_index(names=str(time or data.index.name or _INDEX))
    return data


def _long(frame: nw.DataFrame[Any], time: str, series: str, columns: Columns) -> Frame:
    chosen = columns.values or tuple(name for name in frame.columns if name not in (time, series))
    if not chosen:
        raise DataError(f"no value column beside {time!r} and {series!r}; expected at least one with numbers")
    unique, first, codes = np.unique(np.array(texts_of(frame[series])), return_index=True, return_inverse=True)
    place = np.empty(len(unique), np.int64)
    place[np.argsort(first)] = np.arange(len(unique))  # in the frame's order, not the alphabet's
    codes = place[codes.reshape(-1)]
    names = [str(name) for name in unique[np.argsort(first)]]
    ts = times_of(frame[time], columns.timezone)
    values = np.column_stack([numbers_of(frame[name]) for name in chosen])
    rows = np.argsort(codes, kind="stable")
    _check_order(time, series, codes[rows], ts[rows], rows, names)
    features = chosen if len(chosen) > 1 else ("value",)  # one value has no name, as in files and messages
    return Frame(
        features, names, codes[rows], ts[rows], values[rows], rows, len(frame), True, time, chosen,
        nw.get_native_namespace(frame),
    )  # fmt: skip


def _wide(frame: nw.DataFrame[Any], time: str, columns: Columns) -> Frame:
    names = list(columns.values) or [name for name in frame.columns if name != time]
    if not names:
        raise DataError(f"no value column beside {time!r}; expected a column of numbers for each series")
    ts = times_of(frame[time], columns.timezone)
    _check_order(time, "", np.zeros(len(ts), np.int64), ts, np.arange(len(ts)), [""])
    cells = np.column_stack([numbers_of(frame[name]) for name in names])
    codes, rows = (found.astype(np.int64) for found in np.nonzero(~np.isnan(cells.T)))
    if not len(rows):
        raise DataError(f"column {names[0]!r}: all of its {len(ts)} cells are empty (NaN), as in all value columns")
    return Frame(
        ("value",), names, codes, ts[rows], cells[rows, codes][:, None], rows, len(frame), False, time, (),
        nw.get_native_namespace(frame),
    )  # fmt: skip


def _check_order(time: str, series: str, codes: Ints, ts: Ints, rows: Ints, names: Sequence[str]) -> None:
    """Times of each series have to increase; observations come sorted by series."""
    step = np.where(codes[1:] == codes[:-1], np.diff(ts), 1)
    for wrong, what, advice in (
        (step < 0, "goes back to", "sort the frame by it"),
        (step == 0, "repeats", "keep one row of each"),
    ):
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0]) + 1
            of = f" of series {names[codes[at]]!r}" if series else ""
            after = f", after {moment(int(ts[at - 1]))} in row {rows[at - 1]}" if what == "goes back to" else ""
            raise DataError(
                f"column {time!r}: row {rows[at]}{of} {what} {moment(int(ts[at]))}{after} ({int(wrong.sum())} such "
                f"rows); expected increasing times{' within each series' if series else ''}; {advice}"
            )


def _named(header: Sequence[str], known: Sequence[str]) -> str:
    """The first column that is named like one of these, whatever the case; empty: none is."""
    lower = {name.lower(): name for name in reversed(header)}
    return next((lower[name] for name in known if name in lower), "")


def _listed(header: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in header[:10]) + (" …" if len(header) > 10 else "") if header else "none"
