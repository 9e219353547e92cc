from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.power import POWER_FEATURES
from eddy.csv_files.times import DAY_FIRST, TimeColumn
from eddy.errors import DataError, EddyError
from eddy.observation import Observations
from eddy.producers.csv_file import CsvSource, Order
from eddy.producers.public_data_sets import power_source, taxi_source
from eddy.producers.source import Replay, Source


def messages(source: Source) -> list[dict[str, Any]]:
    return [json.loads(m) for block in source.blocks() if isinstance(block, Observations) for m in block.encode()]


def write(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NAB = "timestamp,value\n2014-07-01 00:00:00,10844\n2014-07-01 00:30:00,8127\n2014-07-01 01:00:00,6210\n"


def test_taxi_source_reads_nab_files(tmp_path: Path) -> None:
    found = messages(taxi_source(write(tmp_path, NAB, "nyc_taxi.csv")))
    assert found[0] == {"series": "nyc_taxi", "ts": ms("2014-07-01"), "value": 10844.0}
    assert [m["value"] for m in found] == [10844.0, 8127.0, 6210.0]


def test_power_source_reads_uci_files_with_missing_values(tmp_path: Path) -> None:
    header = "Date;Time;" + ";".join(POWER_FEATURES)
    text = (
        f"{header}\n16/12/2006;17:24:00;4.216;0.418;234.840;18.400;0.000;1.000;17.000\n1/1/2007;00:00:00;?;?;?;?;?;?;\n"
    )
    found = messages(power_source(write(tmp_path, text)))
    assert found[0]["series"] == "household-power"
    assert found[0]["ts"] == ms("2006-12-16T17:24:00")
    assert found[0]["values"] == dict(zip(POWER_FEATURES, [4.216, 0.418, 234.84, 18.4, 0.0, 1.0, 17.0], strict=True))
    assert found[1]["ts"] == ms("2007-01-01")
    assert set(found[1]["values"].values()) == {None}


def test_long_format_is_sorted_by_time_or_kept_in_file_order(tmp_path: Path) -> None:
    path = write(tmp_path, "series,ts,value\na,1700000000,1\na,1700000002,2\nb,1700000000,3\nb,1700000001,4\n")
    by_time = messages(CsvSource([path]))
    assert [(m["series"], m["value"]) for m in by_time] == [("a", 1), ("b", 3), ("b", 4), ("a", 2)]
    as_is = messages(CsvSource([path], order="file"))
    assert [m["value"] for m in as_is] == [1, 2, 3, 4]
    assert as_is[0]["ts"] == 1_700_000_000_000


def test_wide_format_makes_a_series_of_every_column(tmp_path: Path) -> None:
    path = write(tmp_path, "time;a;b\n2024-01-01T00:00;1;\n2024-01-01T00:01;2;20\n")
    found = messages(CsvSource([path], CsvLayout(wide=True)))
    assert [(m["series"], m["value"]) for m in found] == [("a", 1), ("b", None), ("a", 2), ("b", 20)]


def test_several_value_columns_are_features_of_one_series(tmp_path: Path) -> None:
    path = write(tmp_path, "x,Date,y\n1,2024-01-01,2\n")
    assert messages(CsvSource([path])) == [{"series": "data", "ts": ms("2024-01-01"), "values": {"x": 1.0, "y": 2.0}}]
    assert messages(CsvSource([path], CsvLayout(values=("y",))))[0]["value"] == 2.0


def test_several_files_merge_in_time_order(tmp_path: Path) -> None:
    one = write(tmp_path, "ts,value\n1700000000,1\n1700000002,3\n", "one.csv")
    two = write(tmp_path, "ts,value\n1700000001,2\n1700000003,4\n", "two.csv")
    found = messages(CsvSource([one, two]))
    assert [(m["series"], m["value"]) for m in found] == [("one", 1), ("two", 2), ("one", 3), ("two", 4)]


@pytest.mark.parametrize("header", ["", "when,what,unused\n"])
def test_columns_option_names_the_columns_of_a_file_without_header(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, header + "2024-01-01,5,x\n2024-01-02,6,x\n")
    layout = CsvLayout(columns=("when", "what", "unused"), time=("when",), values=("what",))
    assert [m["value"] for m in messages(CsvSource([path], layout))] == [5, 6]


def test_bom_crlf_quotes_and_spaces_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufefftimestamp,value\r\n"2024-01-01 00:00:00", 5\r\n\r\n2024-01-01 00:01:00,"6"\r\n')
    assert [m["value"] for m in messages(CsvSource([path]))] == [5, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no time column .*found the columns a, b; name the right one with --time"),
        ("timestamp\n1\n", "no value column; found the columns timestamp"),
        ("timestamp,v,v\n1,2,3\n", "column 'v' is there twice"),
        ("\x00\x01\x02", "found the columns '.x00"),
    ],
)
def test_unusable_file_is_a_one_line_error(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=words) as caught:
        messages(CsvSource([path]))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (CsvLayout(time=("t",)), "time column 't' is missing; found the columns ts, value; .*--time"),
        (CsvLayout(values=("x",)), "value column 'x' is missing; found the columns ts, value; .*--value"),
        (CsvLayout(series="s"), "series column 's' is missing; .*--series-column"),
        (CsvLayout(columns=("a",)), "found 2 columns in the first line, expected 1"),
        (CsvLayout(time_format="nonsense"), "--time-format 'nonsense': expected auto"),
    ],
)
def test_unusable_layout_is_a_one_line_error(tmp_path: Path, layout: CsvLayout, words: str) -> None:
    path = write(tmp_path, "ts,value\n1000000,1\n")
    with pytest.raises(EddyError, match=words):
        messages(CsvSource([path], layout))


def test_taxi_and_power_sources_name_the_expected_format(tmp_path: Path) -> None:
    path = write(tmp_path, "a;b\n1;2\n")
    with pytest.raises(DataError, match=r"'timestamp' is missing.*expected a NAB file"):
        messages(taxi_source(path))
    with pytest.raises(DataError, match=r"'Date' is missing.*expected Date;Time;.*household_power_consumption"):
        messages(power_source(path))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nope\.csv: is not a file"):
        taxi_source(tmp_path / "nope.csv")


BAD = """ts,series,value
1700000000,a,1
1700000001,a
yesterday,a,1
1700000002,,1
1700000003,a,many
1700000004,a,inf
99999999999999999,a,1
nan,a,1
1700000005,a,?
1700000006,a,2
"""


@pytest.mark.parametrize("order", ["time", "file"])
def test_bad_rows_are_skipped_and_counted_with_their_lines(tmp_path: Path, order: Order) -> None:
    source = CsvSource([write(tmp_path, BAD)], order=order)
    assert [m["value"] for m in messages(source)] == [1, None, 2]
    assert source.skipped.rows == 7
    text = "\n".join(source.skipped.examples)
    for words in ("line 3: found 2 cells, expected 3", "line 4: time 'yesterday'", "line 5: the series is empty",
                  "line 6: value 'many' is not a number", "line 7: value 'inf' is infinite"):  # fmt: skip
        assert words in text
    messages(source)  # a second round does not count them again
    assert source.skipped.rows == 7


def test_strict_fails_at_the_first_bad_row(tmp_path: Path) -> None:
    source = CsvSource([write(tmp_path, BAD)], strict=True)
    with pytest.raises(DataError, match=r"data\.csv line 3: found 2 cells.*--strict"):
        messages(source)


def test_a_bad_first_row_does_not_decide_the_time_format(tmp_path: Path) -> None:
    source = CsvSource([write(tmp_path, "ts,value\nsoon,1\n1700000000,2\n1700000001000,3\n2024-01-01,4\n")])
    assert [m["ts"] for m in messages(source)] == [1_700_000_000_000, 1_700_000_001_000, ms("2024-01-01")]


@given(
    st.lists(st.datetimes(datetime(1991, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=5),  # noqa: DTZ001
    st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", DAY_FIRST, "s", "ms"]),
)
def test_fast_and_slow_time_parsing_agree(times: list[datetime], form: str) -> None:
    if "%" in form:
        cells = [time.strftime(form) for time in times]
    else:
        since = [(t.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) for t in times]
        cells = [str(value / 1000 if form == "s" else value) for value in since]
    given_form = form if form in (DAY_FIRST, "s", "ms") else "auto"
    fast, column = TimeColumn(given_form).parse(cells), TimeColumn(given_form)
    assert fast is not None
    assert fast.ms.tolist() == [column.parse_one(cell).ms for cell in cells]


@pytest.mark.parametrize("cell", ["now", "NaT", "today", "inf", "1e400", "2024-13-01", "", "3000-01-01"])
def test_text_is_not_a_time(cell: str) -> None:
    assert TimeColumn().parse([cell]) is None
    with pytest.raises(ValueError, match=r"."):
        TimeColumn().parse_one(cell)


def test_timezone_is_respected_and_naive_time_is_utc() -> None:
    parse = TimeColumn().parse_one
    assert parse("2024-01-01T02:00:00+02:00").ms == parse("2024-01-01 00:00:00").ms == parse("2024-01-01T00:00:00Z").ms


def test_replay_skips_rows_and_loops_with_advancing_event_time(tmp_path: Path) -> None:
    path = write(tmp_path, NAB, "taxi.csv")
    assert [m["value"] for m in messages(Replay(taxi_source(path), 1))] == [8127.0, 6210.0]
    replay = Replay(taxi_source(path), 1, loop=True)
    assert replay.total is None
    blocks = replay.blocks()
    rounds = [next(blocks) for _ in range(3)]
    ts = [int(t) for block in rounds if isinstance(block, Observations) for t in block.ts]
    assert [b - a for a, b in pairwise(ts)] == [30 * 60_000] * 5


def test_an_offset_past_the_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="start offset 9 leaves nothing of 3 rows"):
        messages(Replay(taxi_source(write(tmp_path, NAB)), 9))


@given(
    rows=st.lists(st.tuples(st.integers(0, 50), st.sampled_from("ab"), st.integers()), min_size=1),
    offset=st.integers(0, 9),
)
def test_no_row_is_lost_or_reordered_within_a_series(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, int]], offset: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text("ts,series,value\n" + "".join(f"{1_700_000_000 + t},{s},{v}\n" for t, s, v in rows))
    found = [(m["ts"] // 1000 - 1_700_000_000, m["series"], m["value"]) for m in messages(CsvSource([path]))]
    assert found == [(t, s, float(v)) for t, s, v in sorted(rows, key=lambda row: row[0])]
    if offset < len(rows):
        rest = messages(Replay(CsvSource([path], order="file"), offset))
        assert [m["value"] for m in rest] == [float(v) for _, _, v in rows[offset:]]
