"""Check the report: one file that loads nothing external and runs nothing from the data."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np

from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.metrics.summary import figures
from eddy.training.evaluation.report.html import plain_json, write_report
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.evaluation.runs.resources import Cost

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def made(name: str) -> Recording:
    n = 1500
    values = np.sin(np.arange(n) / 10) + np.random.default_rng(0).normal(0, 0.05, n)
    values[900:905] += 8
    values[700] = np.nan
    events = (Event(895, 910, "<b>spike</b>"), Event(1200, 1220))
    return Recording(name, np.arange(n, dtype=np.int64) * 60_000, values[:, None], ("value",), 225, events)


def written(folder: Path, name: str = "plain") -> str:
    recordings = [made(name)]
    runs = {e.name: [e.run(r) for r in recordings] for e in entrants(["novelty", "zscore", "uniform-noise"])}
    results = {k: (v, figures(recordings, v), Cost(1.0, 2.0)) for k, v in runs.items()}
    rows = [{"detector": k, **f.to_json()} for k, (_, f, _) in results.items()]
    return write_report(folder, f"of {name}", recordings, results, rows).read_text()


def embedded(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_series_names_are_escaped_in_the_report(tmp_path: Path) -> None:
    page = written(tmp_path, EVIL)
    assert page.count("<script") == 2  # the data and the page's own
    assert "<img" not in page
    assert "<b>spike" not in page
    assert embedded(page)["series"][0]["name"] == EVIL


def test_report_loads_nothing_external_and_has_json_and_csv(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "@import" not in page
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [r["detector"] for r in rows] == ["novelty", "zscore", "uniform-noise"]
    with (tmp_path / "ranking.csv").open() as file:
        ranking = list(csv.DictReader(file))
    assert (ranking[0]["detector"], ranking[0]["found"], ranking[0]["events"]) == ("novelty", "1", "2")


def test_report_keeps_the_spike_and_lists_cases(tmp_path: Path) -> None:
    data = embedded(written(tmp_path))
    assert max(v for v in data["series"][0]["features"][0]["high"] if v is not None) > 7
    novelty = data["detectors"]["novelty"]
    assert [c["what"] for c in novelty["cases"]].count("missed") == 1
    assert len(novelty["sweep"]["level"]) == len(novelty["sweep"]["f1"])
    assert novelty["series"][0]["band"]["features"][0]["lower"]
    alerts = novelty["series"][0]["alerts"]
    assert any(a <= 905 * 60_000 and b >= 895 * 60_000 and not false for a, b, false in alerts)


def test_nan_and_infinity_become_null() -> None:
    assert json.loads(plain_json({"a": float("nan"), "b": [float("inf"), 1.0]})) == {"a": None, "b": [None, 1.0]}
