"""Read each kind of file once through training and once through producing: the observations have to be the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.skipped import Skipped
from eddy.errors import EddyError
from eddy.event_times import TimeRange
from tests.csv_files.both_paths import produced, trained_on

DAY = 1_735_689_600_000  # 2025-01-01, ms
MINUTE = 60_000


@dataclass(frozen=True)
class Case:
    """Hold a file and what it holds: (series, minutes after DAY, value); the series x is the file's name."""

    name: str
    text: str | bytes
    expected: tuple[tuple[str, float, float | str], ...]
    layout: CsvLayout = CsvLayout()  # noqa: RUF009  frozen


TWO = (("x", 0, 1.5), ("x", 10, 2.5))
ONE = (("x", 0, 1.5),)
T0, T1 = "2025-01-01T00:00:00Z", "2025-01-01T00:10:00Z"
CASES = [
    Case("plain", f"time,value\n{T0},1.5\n{T1},2.5\n", TWO),
    Case("semicolon", f"time;value\n{T0};1.5\n{T1};2.5\n", TWO),
    Case("tab", f"time\tvalue\n{T0}\t1.5\n{T1}\t2.5\n", TWO),
    Case("pipe", f"time|value\n{T0}|1.5\n{T1}|2.5\n", TWO),
    Case("decimal-comma", f"time;value\n{T0};1,5\n{T1};2,5\n", TWO),
    Case("decimal-comma-three-digits", f"time;value\n{T0};1,500\n{T1};2,500\n", TWO),
    Case("decimal-comma-tab", f"time\tvalue\n{T0}\t1,5\n{T1}\t2,500\n", TWO),
    Case("decimal-comma-quoted", f'time,value\n{T0},"1,5"\n{T1},"2,5"\n', TWO),
    Case("decimal-comma-no-header", f"{T0};1,5\n{T1};2,5\n", TWO, CsvLayout(columns=("time", "value"))),
    Case("decimal-named", f"time\tvalue\n{T0}\t1,500\n{T1}\t2,500\n", TWO, CsvLayout(decimal=",")),
    Case("thousands", f'time,value\n{T0},"1,234.5"\n{T1},2.5\n', (("x", 0, 1234.5), TWO[1]), CsvLayout(thousands=",")),
    Case("thousands-point", f"time;value\n{T0};1.234,5\n{T1};2,5\n", (("x", 0, 1234.5), TWO[1]),
         CsvLayout(thousands=".")),
    Case("thousands-space", f"time;value\n{T0};1\u202f234,5\n{T1};2,5\n", (("x", 0, 1234.5), TWO[1]),
         CsvLayout(thousands="space", decimal=",")),
    Case("bom", b"\xef\xbb\xbf" + f"time,value\n{T0},1.5\n{T1},2.5\n".encode(), TWO),
    Case("utf-16", f"time,value\n{T0},1.5\n{T1},2.5\n".encode("utf-16"), TWO),
    Case("utf-16-no-bom", f"time,value\n{T0},1.5\n{T1},2.5\n".encode("utf-16-le"), TWO),
    Case("utf-16-big", b"\xfe\xff" + f"time,value\n{T0},1.5\n{T1},2.5\n".encode("utf-16-be"), TWO),
    Case("latin-1", f"series,time,value\nKüche,{T0},1.5\n".encode("latin-1"), (("Küche", 0, 1.5),),
         CsvLayout(encoding="latin-1")),
    Case("spaces-after-commas", f'series, time, value\n"x", "{T0}", "1.5"\n"x", "{T1}", "2.5"\n', TWO),
    Case("spaces-before-commas", f'series ,time ,value\n"x" ,{T0} , 1.5 \nx,{T1} ,2.5\n', TWO),
    Case("trailing-blanks-in-series", f"series,time,value\nx,{T0},1.5\nx ,{T1},2.5\n", TWO),
    Case("empty-series", f"series,time,value\nx,{T0},1.5\n,{T1},9\n ,{T1},bad\nx,{T1},2.5\n", TWO),
    Case("trailing-blanks-beside-a-row-without-series", f"series,time,value\nx ,{T0},1.5\n,{T1},9\nx,{T1},2.5\n", TWO),
    Case("blank-lines", f"\n\ntime,value\n\n{T0},1.5\n\n\n{T1},2.5\n\n", TWO),
    Case("rows-of-empty-cells", f"series,time,value\nx,{T0},1.5\n,,\nx,{T1},2.5\n,,\n", TWO),
    Case("crlf", f"time,value\r\n{T0},1.5\r\n{T1},2.5\r\n", TWO),
    Case("cr", f"time,value\r{T0},1.5\r{T1},2.5\r", TWO),
    Case("sep-line", f"sep=;\ntime;value\n{T0};1,5\n{T1};2,5\n", TWO),
    Case("trailing-comma", f"series,time,value,\nx,{T0},1.5,\nx,{T1},2.5,\n", TWO),
    Case("trailing-comma-in-the-header", f"time,value,,\n{T0},1.5\n{T1},2.5,\n", TWO),
    Case("trailing-commas-in-rows", f"time,value\n{T0},1.5,\n{T1},2.5,,\n", TWO),
    Case("index-column", f",time,value\n0,{T0},1.5\n1,{T1},2.5\n", TWO, CsvLayout(values=("value",))),
    Case("no-header", f"{T0},7,1.5\n{T1},8,2.5\n", TWO, CsvLayout(columns=("time", "", "value"))),
    Case("header-beside-columns", f"when,what\n{T0},1.5\n{T1},2.5\n", TWO,
         CsvLayout(columns=("when", "what"), time=("when",))),
    Case("newline-in-a-cell", f'note,time,value\n"a\nb",{T0},1.5\nc,{T1},2.5\n', TWO, CsvLayout(values=("value",))),
    Case("wide", f"time,a,b\n{T0},1.5,\n{T1},2.5,3\n",
         (("a", 0, 1.5), ("a", 10, 2.5), ("b", 0, "missing"), ("b", 10, 3.0)), CsvLayout(wide=True)),
    Case("date-and-time-columns", "date,time,value\n2025-01-01,00:00,1.5\n2025-01-01,00:10,2.5\n", TWO),
    Case("date-and-full-time-columns", f"date,time,value\n1,{T0},1.5\n1,{T1},2.5\n", TWO, CsvLayout(values=("value",))),
    *(Case(f"named {name}", f"{name},value\n{T0},1.5\n{T1},2.5\n", TWO)
      for name in ("timestamp", "time", "ts", "datetime", "date_time", "event_time", "date", "Timestamp", " TIME ")),
    *(Case(f"missing {word}", f"time,value\n{T0},1.5\n{T1},{word}\n", (TWO[0], ("x", 10, "missing")))
      for word in ("", "?", "-", "N/A", "n/a", "NA", "none", "None", "Null", "null", "NULL", "nan", "NaN", "#N/A")),
    *(Case(f"epoch {form}", f"timestamp,value\n{first},1.5\n{second},2.5\n", TWO)
      for form, first, second in (
          ("s", "1735689600", "1735690200"), ("ms", "1735689600000", "1735690200000"),
          ("us", "1735689600000000", "1735690200000000"), ("ns", "1735689600000000000", "1735690200000000000"),
          ("s float", "1735689600.0", "1735690200.000"), ("s mixed", "1735689600", "1735690200.0"),
          ("ms scientific", "1.7356896e12", "1.7356902E+12"), ("s scientific", "1.7356896e9", "1.7356902e9"))),
    Case("epoch ms fraction", "ts,value\n1735689600000.6,1.5\n", (("x", 1 / MINUTE, 1.5),)),
    *(Case(f"time {form}", f"time,value\n{form},1.5\n", (("x", minutes, 1.5),))
      for form, minutes in (
          ("2025-01-01", 0), ("2025-01-01 00:00", 0), ("2025-01-01T00:10", 10), ("2025-01-01 00:00:00 UTC", 0),
          ("2025-01-01 00:00:00 GMT", 0), ("2025-01-01T01:00:00+01:00[Europe/Paris]", 0),
          ("2025-01-01T00:00Z[UTC]", 0), ("2025-01-01t00:10:00z", 10), ("2025/01/01", 0), ("2025/1/1 0:00", 0),
          ("2025.01.01 00:10:00", 10), ("2024-12-31T23:59:60Z", 0), ("2024-12-31 24:00", 0),
          ("2024-12-31T24:00:00Z", 0), ("2025-01-01T05:30:00+0530", 0), ("2025-01-01 01:00:00 +01", 0),
          ("2025-01-01T00:00:00.0005Z", 0), ("2025-01-01T00:00:00.0006Z", 1 / MINUTE),
          ('"2025-01-01T00:00:00,001Z"', 1 / MINUTE), ("2025-01-01T00:10:00.000000123Z", 10),
          ("20250101T001000Z", 10), ("20250101T0010", 10), ("20250101", 0), ("202501010010", 10),
          ("20250101001000", 10))),
    Case("yyyymmdd", "date,value\n20250101,1.5\n20250102,2.5\n", (*ONE, ("x", 1440, 2.5))),
    Case("yyyymmdd-allowed-1970", "date,value\n20250101,1.5\n20250102,2.5\n", (*ONE, ("x", 1440, 2.5)),
         CsvLayout(times=TimeRange(0))),
    Case("strptime", "when,value\n01/01/2025 00:00,1.5\n01/01/2025 00:10,2.5\n", TWO,
         CsvLayout(time=("when",), time_format="%m/%d/%Y %H:%M")),
    Case("strptime-am-pm", "time,value\n2025-01-01 12:00 AM,1.5\n2025-01-01 12:10 AM,2.5\n", TWO,
         CsvLayout(time_format="%Y-%m-%d %I:%M %p")),
    Case("timezone", "time,value\n2025-01-01 01:00,1.5\n2025-01-01 01:10,2.5\n", TWO,
         CsvLayout(timezone="Europe/Paris")),
    Case("timezone-and-offset", "time,value\n2025-01-01 01:00,1.5\n2025-01-01T00:10Z,2.5\n", TWO,
         CsvLayout(timezone="Europe/Paris")),
    Case("timezone-and-epoch", "time,value\n1735689600,1.5\n1735690200,2.5\n", TWO, CsvLayout(timezone="Asia/Tokyo")),
]  # fmt: skip


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "x.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("error")  # no warning of numpy's reaches the user
def test_training_and_producing_read_the_same(tmp_path: Path, case: Case) -> None:
    path = write(tmp_path, case.text)
    expected = sorted(
        (series, DAY + round(minutes * MINUTE), value if isinstance(value, str) else repr(float(value)))
        for series, minutes, value in case.expected
    )
    assert trained_on(path, case.layout) == produced(path, case.layout) == expected


CLOCK_BACK = "2025-10-26"  # in Paris from 03:00 to 02:00
REFUSED = [
    ("dupcol", f"time,value,value\n{T0},1,1\n", "column 'value' is there twice", CsvLayout()),
    ("latin-1", f"series,time,value\na,{T0},1\nKüche,{T0},1\n".encode("latin-1"),
     "x.csv line 3: byte 0xfc: not text in UTF-8; name the file's encoding with --encoding, such as cp1252",
     CsvLayout()),
    ("wrong encoding", f"time,value\n{T0},ü\n".encode("latin-1"), "not text in ASCII, as --encoding says",
     CsvLayout(encoding="ascii")),
    ("unknown encoding", f"time,value\n{T0},1\n", "--encoding 'klingon': unknown", CsvLayout(encoding="klingon")),
    ("no text codec", f"time,value\n{T0},1\n", "--encoding 'base64': unknown", CsvLayout(encoding="base64")),
    ("delimiter", f"time,value\n{T0},1\n", "--delimiter ',,': expected one character", CsvLayout(delimiter=",,")),
    ("decimal", f"time,value\n{T0},1\n", "--decimal ';': expected . or ,", CsvLayout(decimal=";")),
    ("thousands", f"time,value\n{T0},1\n", "--thousands '5': expected one character", CsvLayout(thousands="5")),
    ("equal marks", f"time,value\n{T0},1\n", "are both ','", CsvLayout(thousands=",", decimal=",")),
    ("zone", f"time,value\n{T0},1\n", "--timezone 'Mars/Crater': unknown", CsvLayout(timezone="Mars/Crater")),
    ("time format", f"time,value\n{T0},1\n", "--time-format 'jd': expected auto", CsvLayout(time_format="jd")),
    ("unnamed column", f"time,value,\n{T0},1,\n{T1},2,7\n",
     "x.csv line 3: column 3 has no name in the header, but holds '7'; name it there, or choose", CsvLayout()),
    ("no time", "a,b\n1,2\n", "no time column .*found the columns a, b; name the right one with --time", CsvLayout()),
    ("no header", f"{T0},1\n{T1},2\n", "with --columns if the file has no header line", CsvLayout()),
    ("empty", "", "is empty; expected a header line and rows", CsvLayout()),
    ("blank", "\n\n\n", "is empty; expected a header line and rows", CsvLayout()),
    ("header only", "time,value\n", "no row of data", CsvLayout()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "words", "layout"), REFUSED, ids=[row[0] for row in REFUSED])
def test_unusable_files_are_refused_at_once_by_both(
    tmp_path: Path, name: str, content: str | bytes, words: str, layout: CsvLayout
) -> None:
    path = write(tmp_path, content)
    for read in (trained_on, produced):
        with pytest.raises(EddyError, match=words) as caught:
            read(path, layout)
        assert "\n" not in str(caught.value), name


BAD_ROWS = [
    ("value", f"time,value\n{T0},1\n\n{T1},oops\n", "line 4: value 'oops' is not a number; leave text columns"),
    ("after a cell of two lines", f'time,value\n{T0},"1\n"\n{T1},oops\n', "line 4: value 'oops'"),
    ("infinite", f"time,value\n{T0},1\n{T1},1e400\n", "line 3: value '1e400' is infinite; leave the cell empty"),
    ("cells", f"time,value\n{T0},1\n{T1},1,7\n", "line 3: found 3 cells, expected 2"),
    ("quotation mark", f'time,value\n{T0},1\n"{T1},2\n{T0},3\n', "line 3: found 1 cells.*2 more lines: is a quotation"),
    ("word", f"time,value\n{T0},1\nyesterday,1\n", "line 3: time 'yesterday': expected ISO-8601"),
    ("empty time", f"time,value\n{T0},1\n,1\n", "line 3: time '': is empty"),
    ("day first", f"time,value\n{T0},1\n01/02/2025 10:00,1\n", "day and month cannot be told apart"),
    ("am", f"time,value\n{T0},1\n2025-01-01 10:00 PM,1\n", "12-hour times need --time-format"),
    ("zone", f"time,value\n{T0},1\n2025-01-01 10:00 EST,1\n", "the zone 'EST' is not known; write an offset"),
    ("java zone alone", f"time,value\n{T0},1\n2025-01-01T10:00[Asia/Tokyo],1\n", "without an offset; give --timezone"),
    ("no such day", f"time,value\n{T0},1\n2025-02-30,1\n", "there is no day 2025-02-30"),
    ("no such hour", f"time,value\n{T0},1\n2025-02-03 25:00,1\n", "no clock shows 25:00:00"),
    ("seconds of 1970", f"time,value\n{T0},1\n86400,1\n", "time '86400' is 1970-01-02T00:00:00Z, expected a time from "
     "1990-01-01 to 2100-12-31; others are taken with --min-time"),
    ("day number", f"time,value\n{T0},1\n45658.5,1\n", "a spreadsheet's day number, 2025-01-01"),
    ("far", f"time,value\n{T0},1\n2611-01-01,1\n", "time '2611-01-01' is 2611-01-01T00:00:00Z, expected a time"),
    ("no date among dates", "date,value\n20250101,1\n20250102,1\n20250199,1\n",
     "time '20250199' is 1970-.*expected a time from"),
    ("ambiguous", f'time,value\n{T0},1\n{T1},"1,234"\n', "the comma may be a decimal mark or stand between thousands"),
    ("both marks", f'time,value\n{T0},1\n{T1},"1,234.5"\n', "give --thousands , .and --decimal .."),
    ("other mark", f"time;value\n{T0};1,5\n{T1};1.5\n", "decimals have a comma, this one has '.': give --decimal"),
    ("bidirectional", f"series,time,value\nx,{T0},1\nx\u202e,{T1},9\n", r"line 3: 'x\\u202e' is no name for a series"),
    ("long name", f"series,time,value\nx,{T0},1\n{'y' * 600},{T1},9\n", "is no name .*; expected at most 512 bytes"),
    ("1795", f"time,value\n{T0},1\n1795010112345,1\n", None),  # an epoch: 2026, not the year 1795
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "words"), BAD_ROWS, ids=[row[0] for row in BAD_ROWS])
def test_bad_rows_have_one_reason_and_their_line_in_both(
    tmp_path: Path, name: str, content: str, words: str | None
) -> None:
    path = write(tmp_path, content)
    reasons = []
    for read in (trained_on, produced):
        skipped = Skipped()
        read(path, CsvLayout(), skipped)
        reasons.append(skipped.examples[:1])
    assert reasons[0] == reasons[1], name
    if words is None:
        assert reasons[0] == []
        return
    with pytest.raises(EddyError, match=words):
        trained_on(path, CsvLayout())
    with pytest.raises(EddyError, match=words):
        produced(path, CsvLayout(), Skipped(strict=True))


@pytest.mark.parametrize(
    ("form", "cell", "words"),
    [
        ("ms", "1735689600", "as epoch seconds it is 2025-01-01T00:00:00Z: give --time-format s"),
        ("s", "1735689600000", "as epoch milliseconds it is 2025-01-01T00:00:00Z: give --time-format ms"),
        ("ms", "1735689600000000", "as epoch microseconds it is 2025-01-01T00:00:00Z: give --time-format us"),
        ("s", "20250101", "as a date it is 2025-01-01T00:00:00Z: give --time-format auto"),
        ("s", "soon", "expected epoch seconds"),
    ],
)
def test_a_time_outside_the_years_says_the_unit_that_was_probably_meant(
    tmp_path: Path, form: str, cell: str, words: str
) -> None:
    path = write(tmp_path, f"time,value\n{cell},1\n")
    with pytest.raises(EddyError, match=words):
        trained_on(path, CsvLayout(time_format=form))


def test_other_years_are_read_where_they_are_allowed(tmp_path: Path) -> None:
    path = write(tmp_path, "time,value\n86400,1.5\n1960-01-01,2.5\n")
    allowed = CsvLayout(times=TimeRange(-(10**12)))
    assert trained_on(path, allowed) == produced(path, allowed)
    assert [ts for _, ts, _ in trained_on(path, allowed)] == [-315_619_200_000, 86_400_000]


def test_the_repeated_hour_is_read_twice_and_the_skipped_one_is_told(tmp_path: Path) -> None:
    clocks = ("01:30", "02:30", "02:30", "03:30")
    rows = [f"{name},{CLOCK_BACK} {clock},{i}" for i, clock in enumerate(clocks) for name in "ab"]
    path = write(tmp_path, "series,time,value\n" + "\n".join(rows) + "\n")
    paris = CsvLayout(timezone="Europe/Paris")
    found = trained_on(path, paris)
    assert found == produced(path, paris)
    hours = [datetime.fromtimestamp(ts / 1000, UTC).hour for name, ts, _ in found if name == "a"]
    assert hours == [23, 0, 1, 2]
    spring = write(tmp_path, "time,value\n2025-03-30 01:30,1\n2025-03-30 02:30,2\n2025-03-30 03:30,3\n")
    skipped = Skipped()
    hours = [datetime.fromtimestamp(ts / 1000, UTC).hour for _, ts, _ in trained_on(spring, paris, skipped)]
    assert (hours, skipped.rows) == ([0, 1], 1)
    assert "line 3: the clock of Europe/Paris skips this time" in skipped.examples[0]


def test_rows_without_a_series_are_counted_by_both(tmp_path: Path) -> None:
    path = write(tmp_path, f"series,time,value\na,{T0},1\n,{T1},2\n")
    for skipped, read in ((Skipped(strict=True, nameless=True), trained_on), (Skipped(), produced)):
        read(path, CsvLayout(), skipped)
        assert skipped.rows in (1, 2)  # producing reads it twice here
        assert "line 3: the series is empty" in skipped.examples[0]
