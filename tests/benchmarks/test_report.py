"""Check that ``eddy bench report`` changes only what is between its own markers of a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.measuring.machine import describe
from benchmarks.report import document as report
from eddy.errors import DataError


def measured(count: int, cpu: float) -> dict[str, object]:
    roles = {"python worker": cpu, "taskmanager": 1.0, "kafka": 0.5}
    return {
        "workload": {"kind": "Z", "series": 2000},
        "taskmanagers": count,
        "events_per_second": 100_000 * count,
        "cpu_us_per_event": roles,
        "peak_rss_mb": dict.fromkeys(roles, 100),
    }


def test_taskmanager_figures_are_written_into_scaling_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaling, page = tmp_path / "scaling.md", tmp_path / "performance.md"
    scaling.write_text("a\n<!-- taskmanagers: begin -->\nold\n<!-- taskmanagers: end -->\nb\n")
    page.write_text("untouched")
    monkeypatch.setattr(report, "SCALING", scaling)
    monkeypatch.setattr(report, "PAGE", page)
    results = [measured(1, 1.5), measured(2, 3.0), measured(4, 4.5)]
    found = {"benchmark": "pipeline", "machine": describe(), "results": results}
    (tmp_path / "taskmanagers.json").write_text(json.dumps(found))

    assert report.write(tmp_path) == [scaling]
    text = scaling.read_text()
    assert text.startswith("a\n")
    assert text.endswith("b\n")
    assert "old" not in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| Z ")]
    assert [(row[2], row[3]) for row in rows] == [("1", "100,000"), ("2", "200,000"), ("4", "400,000")]
    assert [row[-1] for row in rows] == ["1.00 |", "1.50 |", "2.00 |"]
    assert page.read_text() == "untouched"
    assert report.write(tmp_path) == [scaling], "the markers are still there"

    scaling.write_text("no markers")
    with pytest.raises(DataError, match="expected the lines"):
        report.write(tmp_path)
