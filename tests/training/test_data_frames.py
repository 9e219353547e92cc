"""Data frames of any library and form are read into the same observations; what cannot be used is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.errors import DataError, EddyError, SettingsError
from eddy.intervals import interval_to_ms, ms_to_interval
from eddy.training.notebook.frames import Columns, Frame, check_interval, found_interval, read_frame
from tests.training.pumps import LIBRARIES, START, long, wide

FIRST = START.value // 10**6
STEP = 600_000
SMALL = wide(20, {})


def content(frame: Frame) -> tuple[Any, ...]:
    return frame.names, frame.features, frame.codes.tolist(), frame.ts.tolist(), frame.values.tolist()


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_and_both_forms_give_the_same_observations(library: str) -> None:
    expected = content(read_frame(SMALL))
    assert expected[0] == ["pump-1", "pump-2"]
    assert expected[3] == [FIRST + i * STEP for i in range(20)] * 2
    assert content(read_frame(LIBRARIES[library](SMALL))) == expected
    assert content(read_frame(LIBRARIES[library](long(SMALL)))) == expected


def test_a_pandas_index_of_times_is_the_time_column() -> None:
    expected = content(read_frame(SMALL))
    indexed = SMALL.set_index("time")
    assert content(read_frame(indexed)) == expected
    assert content(read_frame(indexed.rename_axis(None))) == expected
    assert content(read_frame(indexed.rename_axis("when"), Columns(time="when"))) == expected
    assert content(read_frame(long(SMALL).set_index("time"))) == expected
    one = read_frame(indexed["pump-1"])
    assert (one.names, one.values[:, 0].tolist()) == (["pump-1"], SMALL["pump-1"].tolist())
    hours = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.period_range("2025-01-01", periods=2, freq="h"))
    assert read_frame(hours).ts.tolist() == [FIRST, FIRST + 3_600_000]
    assert read_frame(pd.DataFrame({0: [1.0], 1: [2.0]}, index=SMALL["time"][:1])).names == ["0", "1"]


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(SMALL["time"].dt.tz_localize(None)),
        pd.Series(SMALL["time"].dt.tz_convert("Asia/Tokyo")),
        pd.Series(SMALL["time"].astype("int64") // 10**6),
        pd.Series(SMALL["time"].astype("int64") / 10**9),
        pd.Series(SMALL["time"].dt.strftime("%Y-%m-%d %H:%M:%S")),
        pd.Series([t.isoformat() for t in SMALL["time"]]),
        pd.Series([t.to_pydatetime() for t in SMALL["time"]], dtype=object),
    ],
    ids=["naive", "zone", "milliseconds", "seconds", "text", "iso", "datetimes"],
)
def test_times_of_every_kind(times: pd.Series) -> None:
    assert read_frame(SMALL.assign(time=times)).ts[:3].tolist() == [FIRST, FIRST + STEP, FIRST + 2 * STEP]


def test_dates_are_midnights() -> None:
    days = [date(2025, 1, 1), date(2025, 1, 2)]
    for frame in (pd.DataFrame({"date": days, "a": [1.0, 2.0]}), pl.DataFrame({"date": days, "a": [1.0, 2.0]})):
        assert read_frame(frame).ts.tolist() == [FIRST, FIRST + 86_400_000]


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_times_without_a_zone_are_in_the_one_named(library: str) -> None:
    naive = SMALL.assign(time=SMALL["time"].dt.tz_localize(None))
    berlin = Columns(timezone="Europe/Berlin")
    assert read_frame(LIBRARIES[library](naive), berlin).ts[0] == FIRST - 3_600_000
    assert read_frame(LIBRARIES[library](SMALL), berlin).ts[0] == FIRST  # has a zone
    text = naive.assign(time=naive["time"].astype(str))
    assert read_frame(LIBRARIES[library](text), berlin).ts[0] == FIRST - 3_600_000
    twice = pd.DataFrame({"time": pd.to_datetime(["2025-10-26 02:30"]), "a": [1.0]})
    with pytest.raises(
        DataError, match=r"column 'time': a time cannot be read in zone Europe/Berlin.*convert it to UTC"
    ):
        read_frame(LIBRARIES[library](twice), berlin)


def test_series_ids_of_every_kind_keep_the_order_of_the_frame() -> None:
    frame = pd.DataFrame({"ts": [0, 0, 600, 600], "series": ["z", "a", "z", "a"], "value": [1, 2, 3, 4]})
    expected = [[1.0], [3.0], [2.0], [4.0]]
    read = read_frame(frame)
    assert (read.names, read.values.tolist(), read.rows.tolist()) == (["z", "a"], expected, [0, 2, 1, 3])
    for ids, names in (
        (pd.Categorical(["z", "a", "z", "a"]), ["z", "a"]),
        ([7, 3, 7, 3], ["7", "3"]),
        (pd.Series(["z", 3, "z", 3], dtype=object), ["z", "3"]),
    ):
        read = read_frame(frame.assign(series=ids))
        assert (read.names, read.values.tolist()) == (names, expected)


def test_values_of_every_kind() -> None:
    for cells in ([1, 0, None], [True, False, None], [Decimal(1), Decimal(0), None], [1.0, 0.0, float("nan")]):
        for frame in (
            pd.DataFrame({"time": [0, 600, 1200], "series": "a", "value": pd.Series(cells, dtype=object)}),
            pl.DataFrame({"time": [0, 600, 1200], "series": ["a"] * 3, "value": cells}),
        ):
            assert np.array_equal(read_frame(frame).values[:, 0], [1.0, 0.0, np.nan], equal_nan=True)


def test_an_empty_cell_is_no_point_in_wide_form_and_a_point_without_value_in_long_form() -> None:
    frame = SMALL.copy()
    frame.loc[5, "pump-1"] = np.nan
    read = read_frame(frame)
    assert len(read.ts) == 39
    assert FIRST + 5 * STEP not in read.ts[read.codes == 0]
    assert content(read) == content(read_frame(long(frame)))
    kept = long(SMALL).assign(value=lambda f: f["value"].where(f.index != 10))
    assert len(read_frame(kept).ts) == 40
    assert np.isnan(read_frame(kept).values).sum() == 1


def test_several_values_per_point_are_features() -> None:
    frame = long(SMALL).assign(flow=lambda f: f["value"] * 2)
    read = read_frame(frame)
    assert (read.features, read.value_columns) == (("value", "flow"), ("value", "flow"))
    assert np.array_equal(read.values[:, 1], 2 * read.values[:, 0])
    only = read_frame(frame, Columns(values=("flow",)))
    assert (only.features, only.value_columns) == (("value",), ("flow",))
    assert read_frame(frame, fitted=("flow", "value")).features == ("flow", "value")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, unique=True), st.randoms())
def test_no_observation_is_lost_or_moved(cells: list[tuple[int, int]], random: Any) -> None:
    """Rows of several series mixed in any way, each series in order of time."""
    rest = sorted(cells)
    random.shuffle(order := [series for series, _ in rest])
    queues = {series: [at for own, at in rest if own == series] for series in set(order)}
    rows = [(series, queues[series].pop(0)) for series in order]
    frame = pd.DataFrame({"series": [s for s, _ in rows], "ts": [t * 60 for _, t in rows], "value": range(len(rows))})
    read = read_frame(frame)
    found = zip(read.codes, read.ts, read.rows, strict=True)
    back = {(int(read.names[code]), int(ts) // 60_000): int(row) for code, ts, row in found}
    assert back == {row: place for place, row in enumerate(rows)}
    assert read.values[:, 0].tolist() == read.rows.tolist()
    data = read.dataset()
    assert np.array_equal(np.concatenate([s.ts for s in data.series]), read.ts)
    assert all((np.diff(s.ts) > 0).all() for s in data.series)


def long_with(**columns: Any) -> pd.DataFrame:
    return long(SMALL).assign(**columns)


def without(column: str) -> Callable[[], pd.DataFrame]:
    return lambda: long(SMALL).drop(columns=column)


#: a frame, the columns named, what the error says
ERRORS: dict[str, tuple[Callable[[], Any], Columns, str]] = {
    "no-frame": (lambda: np.zeros(3), Columns(), "found numpy.ndarray, expected a pandas, polars or Arrow"),
    "no-row": (lambda: SMALL[:0], Columns(), "the frame has no row; found the columns 'time', 'pump-1', 'pump-2'"),
    "no-column": (lambda: SMALL, Columns(time="when"), "column 'when': not in the frame; found 'time', 'pump-1'"),
    "no-time": (without("time"), Columns(), "no time column: found 'series', 'value', expected one called timestamp"),
    "no-series": (without("series"), Columns(layout="long"), "no series column: found 'time', 'value'"),
    "no-value": (without("value"), Columns(), "no value column beside 'time' and 'series'"),
    "no-value-wide": (
        lambda: SMALL[["time"]],
        Columns(),
        "no value column beside 'time'; expected a column of numbers",
    ),
    "levels": (lambda: SMALL.T.set_index([0, 1]).T, Columns(), "columns: found names of 2 levels"),
    "text-value": (lambda: long_with(value="x"), Columns(), "column 'value': found text such as 'x', expected numbers"),
    "text-wide": (lambda: SMALL.assign(city="X"), Columns(), "column 'city': found text such as 'X'.*series="),
    "object": (
        lambda: SMALL.assign(b=pd.Series([1, "x"] * 10, dtype=object)),
        Columns(),
        r"column 'b': row 1 is 'x' \(str\), expected numbers",
    ),
    "infinite": (lambda: SMALL.assign(b=np.inf), Columns(), "column 'b': row 0 is infinite"),
    "time-missing": (
        lambda: SMALL.assign(time=SMALL["time"].where(SMALL.index != 3)),
        Columns(),
        r"column 'time': row 3 has no time \(1 of 20 have none\); drop such rows",
    ),
    "time-text": (
        lambda: SMALL.assign(time=["soon"] * 20),
        Columns(),
        "column 'time': row 0 is 'soon', expected date-times, ISO-8601 text, or epoch seconds or milliseconds",
    ),
    "time-nanoseconds": (
        lambda: SMALL.assign(time=SMALL["time"].astype("int64")),
        Columns(),
        "column 'time': row 0 is 1735689600000000000, expected epoch seconds or milliseconds; divide",
    ),
    "time-mixed": (
        lambda: pd.DataFrame({"time": [1_735_689_600, 1_735_689_600_000], "a": [1.0, 2.0]}),
        Columns(),
        "column 'time': row 0 looks like epoch seconds, row 1 like milliseconds",
    ),
    "time-bool": (lambda: SMALL.assign(time=True), Columns(), "column 'time': found Boolean such as 'True'"),
    "zone": (lambda: SMALL, Columns(timezone="Mars/Phobos"), "timezone 'Mars/Phobos': unknown"),
    "layout": (lambda: SMALL, Columns(layout="square"), "layout 'square': expected one of auto, long, wide"),  # type: ignore[arg-type]
    "series-numbers": (lambda: long_with(series=0.5), Columns(), "column 'series': found Float64 such as '0.5'"),
    "series-missing": (lambda: long_with(series=None), Columns(), "column 'series': row 0 names no series"),
    "unsorted": (
        lambda: SMALL[::-1],
        Columns(),
        "column 'time': row 1 goes back to 2025-01-01 03:00:00 UTC, after 2025-01-01 03:10:00 UTC in row 0 .*sort",
    ),
    "unsorted-long": (lambda: long(SMALL)[::-1], Columns(), "row 2 of series 'pump-2' goes back to"),
    "duplicates": (
        lambda: pd.concat([SMALL[:5], SMALL[4:]]),
        Columns(),
        r"column 'time': row 5 repeats 2025-01-01 00:40:00 UTC \(1 such rows\).*keep one row of each",
    ),
    "duplicates-long": (
        lambda: pd.concat([long(SMALL), long(SMALL)[-1:]]),
        Columns(),
        "column 'time': row 40 of series 'pump-2' repeats 2025-01-01 03:10:00 UTC",
    ),
    "empty": (
        lambda: SMALL.assign(**{"pump-1": np.nan, "pump-2": np.nan}),
        Columns(),
        r"column 'pump-1': all of its 20 cells are empty \(NaN\)",
    ),
    "fitted": (lambda: long(SMALL), Columns(), "column 'flow': the detector was fitted on it; found 'time', 'series'"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_used_is_named(name: str) -> None:
    make, columns, message = ERRORS[name]
    with pytest.raises(EddyError, match=message) as caught:
        read_frame(make(), columns, ("flow",) if name == "fitted" else ())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("library", ["polars", "arrow"])
@pytest.mark.parametrize("name", ["no-column", "no-row", "text-value", "time-text", "time-missing", "unsorted-long"])
def test_errors_are_the_same_in_every_library(name: str, library: str) -> None:
    make, columns, message = ERRORS[name]
    with pytest.raises(EddyError, match=message):
        read_frame(LIBRARIES[library](make()), columns)


def test_the_interval_is_found_or_has_to_fit() -> None:
    frame = read_frame(SMALL)
    assert found_interval(frame, None) == STEP
    assert found_interval(frame, STEP) == STEP
    assert found_interval(frame, 0) == 0
    with pytest.raises(DataError, match="column 'time': series 'pump-1' has a point every 10m, the interval is 30m"):
        found_interval(frame, 3 * STEP)
    with pytest.raises(DataError, match="give the detector interval='10m'"):
        found_interval(frame, STEP // 3)
    with pytest.raises(DataError, match="column 'time': no series has two points"):
        found_interval(read_frame(SMALL[:1]), None)
    slow = long(SMALL)[lambda f: (f["series"] == "pump-1") | (f.index % 4 == 1)]
    with pytest.raises(DataError, match="'pump-1' has a point every 10m, 'pump-2' every 20m"):
        found_interval(read_frame(slow), None)


def test_a_gap_in_a_short_frame_is_no_other_interval() -> None:
    check_interval(read_frame(SMALL.iloc[[0, 6]]), STEP)
    with pytest.raises(DataError, match="every 10m, the interval is 1h"):
        check_interval(read_frame(SMALL[:2]), 6 * STEP)


@pytest.mark.parametrize("ms", [0, 1, 999, 1000, 60_000, 90_000, 600_000, 3_600_000, 86_400_000])
def test_intervals_are_read_as_they_are_written(ms: int) -> None:
    assert interval_to_ms(ms_to_interval(ms), "interval") == ms


def test_an_interval_without_a_unit_is_refused() -> None:
    with pytest.raises(SettingsError, match=re.escape("interval 10: expected a number and a unit (ms, s, m, h, d)")):
        interval_to_ms("10", "interval")
