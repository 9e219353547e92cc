from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import DataError
from eddy.models.core.detector import Series
from eddy.training.data.labels import load_labels, mark, without_labelled
from eddy.training.data.nab import parse_time

NAB = json.dumps({"group/a.csv": [["1970-01-01 00:00:01", "1970-01-01 00:00:02.000000"]], "group/b.csv": []})
PRODUCER = json.dumps({"schema": 1, "labels": [{"series": "a", "start": 1000, "end": 2000, "kind": "spike"}]})
TABLE = "series,start,end\na,1000,1970-01-01T00:00:02Z\n"


@pytest.mark.parametrize("text", [NAB, PRODUCER, TABLE])
def test_every_label_format_marks_the_same_points(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels"
    path.write_text(text)
    labels = load_labels(path)
    series = Series("a", np.arange(5, dtype=np.int64) * 500, np.ones((5, 1)), np.zeros(5, bool))
    assert mark(labels, series).tolist() == [False, False, True, True, True]
    (without,) = without_labelled([series], labels)
    assert np.isnan(without.values[:, 0]).tolist() == [False, False, True, True, True]
    assert not np.isnan(series.values).any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "KeyError"),
        ("{", "expected"),
        ('{"a": [[1]]}', "expected"),
        ("series,start,end\na,2000,1000\n", "before its start"),
        ("series,start,end\na,soon,1000\n", "series 'a'.*'soon'"),
    ],
)
def test_unusable_labels_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        load_labels(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_labels(tmp_path / "absent")


@pytest.mark.parametrize(
    "edge",
    ["2025-01-01", "20250101", "202501010000", 20250101, 1735689600, "1735689600", 1735689600000, "1735689600000"],
)
def test_an_edge_is_a_date_or_an_epoch_of_any_unit(tmp_path: Path, edge: str | int) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"a": [[edge, "2025-01-02"]]}))
    assert load_labels(path) == {"a": [(1_735_689_600_000, 1_735_776_000_000)]}


@pytest.mark.parametrize("text", ["1795010112345", "1704010512345", "2025-02-30", "1735689600"])
def test_digits_are_no_year(text: str) -> None:
    """An epoch in ms is no date of the year 1795, whatever ``datetime.fromisoformat`` makes of it."""
    with pytest.raises(DataError, match="time stamp"):
        parse_time(text)
