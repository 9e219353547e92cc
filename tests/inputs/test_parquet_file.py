"""Check what the rows of Parquet files become, and that damaged files end with one line."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eddy.errors import DataError
from eddy.inputs import parquet_file
from eddy.inputs.parquet_file import messages

T = 1_735_689_600  # 2025-01-01T00:00:00Z
UTC = datetime.UTC

#: (type, values, what the messages have)
COLUMNS: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "bool": (pa.bool_(), [True, None], [True, None]),
    "int8": (pa.int8(), [-1, None], [-1, None]),
    "uint64": (pa.uint64(), [2**64 - 1, None], [2**64 - 1, None]),
    "float": (pa.float32(), [0.5, None], [0.5, None]),
    "half": (pa.float16(), [np.float16(0.5), None], [0.5, None]),
    "double": (pa.float64(), [4.2, None], [4.2, None]),
    "text": (pa.string(), ["é", None], ["é", None]),
    "large text": (pa.large_string(), ["é", None], ["é", None]),
    "categories": (pa.dictionary(pa.int32(), pa.string()), ["a", None], ["a", None]),
    "bytes": (pa.binary(), [b"\xff\0", None], ["/wA=", None]),
    "fixed": (pa.binary(2), [b"\xff\0", None], ["/wA=", None]),
    "s": (pa.timestamp("s"), [T, None], [T * 1000, None]),  # Parquet has no seconds: they are written as ms
    "ms": (pa.timestamp("ms"), [T * 1000 + 1, None], [T * 1000 + 1, None]),
    "us in a zone": (pa.timestamp("us", "Europe/Berlin"), [T * 10**6 + 1, None], [T * 10**6 + 1, None]),
    "ns": (pa.timestamp("ns"), [T * 10**9 + 1, None], [T * 10**9 + 1, None]),
    "date": (pa.date32(), [datetime.date(2025, 1, 31), None], ["2025-01-31", None]),
    "time": (pa.time32("ms"), [1000, None], [1000, None]),
    "time us": (pa.time64("us"), [1000, None], [1000, None]),
    "duration": (pa.duration("ms"), [5, None], [5, None]),
    "decimal": (pa.decimal128(10, 2), [Decimal("4.20"), None], [4.2, None]),
    "whole decimal": (pa.decimal128(38, 0), [Decimal(7), None], [7, None]),
    "large decimal": (pa.decimal256(50, 1), [Decimal("0.1"), None], [0.1, None]),
    "struct": (
        pa.struct([("at", pa.timestamp("ms")), ("d", pa.date32())]),
        [{"at": 5, "d": datetime.date(2025, 1, 1)}, None],
        [{"at": 5, "d": "2025-01-01"}, None],
    ),
    "list": (pa.list_(pa.timestamp("ms")), [[1, None, 2], None], [[1, None, 2], None]),
    "list of structs": (
        pa.list_(pa.struct([("t", pa.decimal128(5, 1))])),
        [[{"t": Decimal("1.5")}, None], []],
        [[{"t": 1.5}, None], []],
    ),
    "map": (pa.map_(pa.string(), pa.date32()), [[("a", datetime.date(2025, 1, 1))], None], [{"a": "2025-01-01"}, None]),
    "map of numbers": (pa.map_(pa.int32(), pa.float64()), [[(7, 1.5)], []], [{"7": 1.5}, {}]),
    "null": (pa.null(), [None, None], [None, None]),
}


def file_of(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [1, 5_000])
def test_every_type(name: str, rows: int, tmp_path: Path) -> None:
    """In one batch of rows, and across several of them."""
    kind, values, expected = COLUMNS[name]
    path = file_of(tmp_path / "a.parquet", {"x": pa.array(values * rows, kind)}, row_group_size=3_000)
    found = [row["x"] for row in messages(path)]
    assert found == expected * rows
    assert type(found[0]) is type(expected[0])


def test_rows_are_messages_in_order(tmp_path: Path) -> None:
    columns = {"series": ["a", "b"], "ts": pa.array([T, T + 1], pa.timestamp("s")), "value": [1.5, None]}
    path = file_of(tmp_path / "a.parquet", columns)
    assert list(messages(path)) == [
        {"series": "a", "ts": T * 1000, "value": 1.5},
        {"series": "b", "ts": T * 1000 + 1000, "value": None},
    ]
    assert list(messages(file_of(tmp_path / "b.parquet", {"x": pa.array([], pa.int32())}))) == []


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_every_codec(codec: str, tmp_path: Path) -> None:
    assert list(messages(file_of(tmp_path / "a.parquet", {"x": [1, 2]}, compression=codec))) == [{"x": 1}, {"x": 2}]


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for content in (b"", b"a,b\n1,2\n", b"PAR1" * 10, bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a.parquet: found no Parquet that can be read: "):
            list(messages(path))
    with pytest.raises(DataError, match="No such file"):
        list(messages(tmp_path / "nowhere.parquet"))


def test_damaged_files_end_with_one_line(tmp_path: Path) -> None:
    """Whatever bytes are changed, the rows come out or the reader says where it ended."""
    columns = {name.replace(" ", "_"): pa.array(values * 20, kind) for name, (kind, values, _) in COLUMNS.items()}
    good = file_of(tmp_path / "good.parquet", columns).read_bytes()
    random = np.random.default_rng(7)
    outcomes = {"read": 0, "refused": 0}
    path = tmp_path / "bad.parquet"
    for _ in range(300):
        content = bytearray(good)
        for _ in range(random.integers(1, 4)):
            content[random.integers(0, len(content))] = random.integers(0, 256)
        path.write_bytes(content[: len(content) if random.random() < 0.9 else random.integers(0, len(content))])
        try:
            list(messages(path))
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10, outcomes


def test_rows_are_made_a_batch_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "_ROWS", 10)
    path = file_of(tmp_path / "a.parquet", {"x": list(range(95))})
    assert [row["x"] for row in messages(path)] == list(range(95))


def test_a_part_of_an_array() -> None:
    """Arrow cuts arrays without copying: what is behind them is that of the whole."""
    lists = pa.array([[1], [2, 3], None, [4]]).slice(1)
    assert parquet_file._plain(lists, 0) == [[2, 3], None, [4]]
    maps = pa.array([[("a", 1)], [("b", 2)], None, [("c", 3)]], pa.map_(pa.string(), pa.int8())).slice(1)
    assert parquet_file._plain(maps, 0) == [{"b": 2}, None, {"c": 3}]
    structs = pa.array([{"a": [1]}, {"a": [2]}, None, {"a": None}]).slice(1)
    assert parquet_file._plain(structs, 0) == [{"a": [2]}, None, {"a": None}]
