from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eddy.errors import DataError
from eddy.models.core.detector import WindowSpec
from eddy.training.data import datasets

HALF_HOUR = 30 * 60_000
EPOCH = 1_735_689_600  # s: 2025


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nab_format_is_read(tmp_path: Path) -> None:
    found = datasets.load(
        write(tmp_path / "nyc_taxi.csv", "timestamp,value\n2014-07-01 00:00:00,10844\n2014-07-01 00:30:00,8127\n")
    )
    (s,) = found.series
    assert (s.name, found.features, found.interval_ms()) == ("nyc_taxi", ("value",), HALF_HOUR)
    assert s.ts.tolist() == [1_404_172_800_000, 1_404_174_600_000]
    assert s.values[:, 0].tolist() == [10844, 8127]


def test_long_format_with_missing_values_and_epochs_is_read(tmp_path: Path) -> None:
    text = "ts,series,value\n1735689600,b,1\n1735689600000,a,?\n1735689660000,a,2.5\n1735689700,b,\n"
    found = datasets.load(write(tmp_path / "x.csv", text))
    by_name = {s.name: s for s in found.series}
    assert by_name["a"].ts.tolist() == [1_735_689_600_000, 1_735_689_660_000]
    assert np.isnan(by_name["a"].values[0, 0])
    assert by_name["b"].ts.tolist() == [1_735_689_600_000, 1_735_689_700_000]  # smaller numbers are seconds


def test_wide_format_is_read_as_features_or_as_series(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", "time,x,y\n2025-01-01T00:00:00Z,1,2\n2025-01-01T00:01:00Z,3,4\n")
    features = datasets.load(path)
    assert features.features == ("x", "y")
    assert features.series[0].values.tolist() == [[1, 2], [3, 4]]
    assert [s.name for s in datasets.load(path, wide=True).series] == ["x", "y"]
    assert datasets.load(path, features=["y"]).series[0].values.tolist() == [[2], [4]]


def test_folder_joins_the_files_of_a_series(tmp_path: Path) -> None:
    for day in (1, 2):
        write(tmp_path / f"part{day}.csv", f"series,ts,value\na,2025-01-0{day}T00:00:00,{day}\n")
    assert datasets.load(tmp_path).series[0].values[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("when,value\n1,2\n", "no time column"),
        ("ts,value\n2025-01-01,x\n", "line 2: value 'x' is not a number"),
        ("ts,value\n2025-01-01,inf\n", "line 2: value 'inf' is infinite"),
        ("ts,value\nyesterday,1\n", "line 2: time 'yesterday'"),
        ("ts,value\n2025-01-01,1,7\n", "line 2: found 3 cells, expected 2"),
        ("ts\n2025-01-01\n", "no value column"),
        ("ts,value\n", "no row"),
    ],
)
def test_unusable_file_is_refused_with_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        datasets.load(write(tmp_path / "bad.csv", text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_unusable_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no CSV"):
        datasets.load(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        datasets.load(tmp_path / "absent.csv")
    text = "ts,series,value\n1735690000,a,1\n1735691000,a,1\n1735690000,b,1\n1735750000,b,1\n"
    path = write(tmp_path / "x.csv", text)
    with pytest.raises(DataError, match="value column 'price' is missing; found the columns ts, series, value"):
        datasets.load(path, features=["price"])
    found = datasets.load(path)
    with pytest.raises(DataError, match="differ in their interval"):
        found.interval_ms()
    with pytest.raises(DataError, match=r"no series matches 'c\*'"):
        found.only("c*")
    assert found.only("a").interval_ms() == 1_000_000


def test_regular_fills_short_gaps_and_splits_at_long_ones(tmp_path: Path) -> None:
    rows = "".join(f"{EPOCH + i * 60},{i}\n" for i in (0, 1, 2, 4, 5, 3000, 3001))
    found = datasets.load(write(tmp_path / "x.csv", "ts,value\n" + rows))
    segments = found.regular(WindowSpec(4, interval_ms=60_000, max_gap=10))
    assert [len(s.ts) for s in segments] == [6, 2]
    assert segments[0].imputed.tolist() == [False, False, False, True, False, False]
    assert [len(s.ts) for s in found.regular(WindowSpec(4, interval_ms=60_000), until=(EPOCH + 4 * 60) * 1000)] == [3]
    assert [len(s.ts) for s in found.regular(WindowSpec(4, interval_ms=60_000), share=0.3)] == [2]
