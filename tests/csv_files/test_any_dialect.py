"""Write the same observations in random dialects: both paths have to read what was written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.times import DAY_FIRST, TimeColumn
from tests.csv_files.both_paths import produced, trained_on

FIRST, LAST = datetime(1990, 1, 2, tzinfo=UTC), datetime(2100, 12, 30, tzinfo=UTC)
SECOND = 1000
DAY = 86_400 * SECOND


def utc(form: str) -> Callable[[int], str]:
    return lambda ms: datetime.fromtimestamp(ms / 1000, UTC).strftime(form)


def tokyo(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%d %H:%M:%S")


#: how a time is written: (step of ms that it can say, writer, what the user has to say)
TIMES: dict[str, tuple[int, Callable[[int], str], dict[str, str]]] = {
    "iso": (SECOND, utc("%Y-%m-%dT%H:%M:%SZ"), {}),
    "blank": (SECOND, utc("%Y-%m-%d %H:%M:%S"), {}),
    "offset": (SECOND, lambda ms: utc("%Y-%m-%dT%H:%M:%S+05:30")(ms + 19_800_000), {}),
    "milliseconds": (1, lambda ms: utc("%Y-%m-%dT%H:%M:%S.")(ms) + f"{ms % 1000:03}z", {}),
    "word": (SECOND, utc("%Y/%m/%d %H:%M:%S UTC"), {}),
    "java": (SECOND, lambda ms: utc("%Y-%m-%dT%H:%M:%S+01:00[Europe/Paris]")(ms + 3_600_000), {}),
    "day": (DAY, utc("%Y-%m-%d"), {}),
    "digits": (DAY, utc("%Y%m%d"), {}),
    "minutes": (60 * SECOND, utc("%Y%m%d%H%M"), {}),
    "day first": (SECOND, utc("%d/%m/%Y %H:%M:%S"), {"time_format": DAY_FIRST}),
    "month first": (60 * SECOND, utc("%m/%d/%Y %H:%M"), {"time_format": "%m/%d/%Y %H:%M"}),
    "s": (SECOND, lambda ms: str(ms // 1000), {}),
    "s float": (1, lambda ms: f"{ms / 1000:.3f}", {}),
    "ms": (1, str, {}),
    "us": (1, lambda ms: f"{ms}000", {}),
    "ns": (1, lambda ms: f"{ms}000000", {}),
    "scientific": (1, lambda ms: f"{ms:.12e}", {}),
    "local": (SECOND, tokyo, {"timezone": "Asia/Tokyo"}),
}
VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda x: round(x, 4)), st.integers(-(10**6), 10**6))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["pump-1", "Küche", "a b", 'say "x"', "net.if.in[eth0]", "1"]),
        st.integers(int(FIRST.timestamp() * 1000), int(LAST.timestamp() * 1000)),
        VALUES,
    ),
    min_size=1,
    max_size=8,
)


@given(
    rows=ROWS,
    form=st.sampled_from(sorted(TIMES)),
    delimiter=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    blanks=st.booleans(),
    header=st.booleans(),
    trailing=st.booleans(),
    missing=st.sampled_from(["", "NA", "n/a", "-", "NULL", "NaN"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_dialect_gives_the_same_observations(
    tmp_path: Path, rows: list[tuple[str, int, float | None]], form: str, delimiter: str, decimal: str, quoting: int,
    encoding: str, end: str, blanks: bool, header: bool, trailing: bool, missing: str,
) -> None:  # fmt: skip
    step, write, said = TIMES[form]
    rows = [(name, ts // step * step, value) for name, ts, value in rows]
    cells = [
        [series, write(ts), missing if value is None else str(value).replace(".", decimal)]
        for series, ts, value in rows
    ]
    lines = [["series", "time", "value"], *cells] if header else cells
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    for at, line in enumerate(lines):
        writer.writerow([f"{cell} " if blanks else cell for cell in line] + ([""] if trailing else []))
        if blanks and at % 3 == 1:
            sink.write(end)
    path = tmp_path / "x.csv"
    path.write_bytes(sink.getvalue().encode(encoding))
    layout = CsvLayout(
        columns=() if header else ("series", "time", "value", *([""] if trailing else [])),
        encoding=encoding if encoding == "cp1252" else "",
        decimal=decimal,
        delimiter=delimiter if len(lines) == 1 else "",
        **said,  # type: ignore[arg-type]
    )
    expected = sorted(
        (series, ts, "missing" if value is None else repr(float(str(value)))) for series, ts, value in rows
    )
    assert trained_on(path, layout) == produced(path, layout) == expected


@given(
    st.lists(st.integers(int(FIRST.timestamp() * 1000), int(LAST.timestamp() * 1000)), min_size=1, max_size=5),
    st.sampled_from(sorted(TIMES)),
)
@settings(deadline=None)
def test_columns_and_single_cells_are_parsed_alike(times: list[int], form: str) -> None:
    step, write, said = TIMES[form]
    cells = [write(ms // step * step) for ms in times]
    whole = TimeColumn(said.get("time_format", "auto")).parse(cells)
    alone = [TimeColumn(said.get("time_format", "auto")).parse_one(cell) for cell in cells]
    if form != "month first":  # a pattern is read cell by cell
        assert whole is not None, "a plain column takes the slow way"
        assert whole.ms.tolist() == [moment.ms for moment in alone]
        assert {whole.local} == {moment.local for moment in alone}


@pytest.mark.parametrize("cell", ["1735689600000_0", "١٧٣٥٦٨٩٦٠٠", "2025-01-01T00:00:00+25:99x", "２０２５-01-01"])
def test_odd_digits_do_not_crash(cell: str) -> None:
    column = TimeColumn()
    found = column.parse([cell])
    try:
        alone = column.parse_one(cell).ms
    except ValueError:
        assert found is None
    else:
        assert found is None or found.ms.tolist() == [alone]
