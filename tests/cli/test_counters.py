"""Commands on counters: which say so, and what they score."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eddy import Detector
from eddy.errors import SettingsError
from tests.cli.test_csv_options import eddy

MINUTE = 60
START = 1_735_689_600
STEPS = np.random.default_rng(1).poisson(400, 3000)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A counter and a gauge; the counter's rate is four times as high from row 2500 on, for ten minutes."""
    path = tmp_path_factory.mktemp("counters") / "both.csv"
    steps = STEPS.copy()
    steps[2500:2510] *= 4
    level = np.random.default_rng(2).normal(50, 1, 3000)
    rows = [f"{name},{START + MINUTE * i},{value}" for name, own in (("bytes", np.cumsum(steps)), ("level", level))
            for i, value in enumerate(own)]  # fmt: skip
    path.write_text("\n".join(["series,time,value", *rows]))
    return path


def test_train_says_which_series_are_counters_and_predict_scores_their_increase(data: Path, tmp_path: Path) -> None:
    train: list[str | Path] = [
        "train",
        "--detector",
        "auto",
        "--data",
        data,
        "--train-share",
        "0.7",
        "--out",
        tmp_path / "m",
    ]
    code, said = eddy(*train)
    assert code == 0, said
    assert "note: 1 of 2 series are counters, scored by their increase from point to point: bytes" in said
    assert json.loads((tmp_path / "m" / "manifest.json").read_text())["value_type"] == "auto"
    code, said = eddy("predict", "--model", tmp_path / "m", "--data", data, "--out", tmp_path / "p.csv")
    assert code == 0, said
    with (tmp_path / "p.csv").open() as file:
        found = [
            row for row in csv.DictReader(file) if row["series"] == "bytes" and row["anomaly"] in ("1", "True", "true")
        ]
    assert found
    assert all(abs(float(row["value"]) - 1600) < 300 for row in found)


def test_train_takes_a_type_and_refuses_others(data: Path, tmp_path: Path) -> None:
    train: list[str | Path] = [
        "train",
        "--detector",
        "zscore",
        "--window",
        "30",
        "--data",
        data,
        "--series",
        "bytes",
        "--out",
        tmp_path,
    ]
    code, said = eddy(*train, "--value-type", "gauge")
    assert code == 0, said
    assert "counters" not in said
    code, said = eddy(*train, "--value-type", "rate")
    assert code != 0
    assert "--value-type rate: expected gauge, counter or auto" in said


def test_preprocess_says_it_too(data: Path) -> None:
    code, said = eddy("preprocess", "--file", data, "--out", data.parent / "windows", "--window-size", "10")
    assert code == 0, said
    assert said.count("looks like a counter") == 1


def test_input_check_names_counters(tmp_path: Path) -> None:
    file, config = tmp_path / "node.jsonl", tmp_path / "eddy.yaml"
    messages = [
        {"host": host, "at": START + MINUTE * i, "cpu": 9e4 + float(np.sum(STEPS[:i])) / 100, "load": 1 + (i * 7 % 5)}
        for i in range(60)
        for host in ("a", "b")
    ]
    file.write_text("\n".join(map(json.dumps, messages)))
    config.write_text(
        "input:\n- topics: [node]\n  series: '{host}'\n  time: {field: at, unit: s}\n  values: {cpu: cpu, load: load}\n"
    )
    code, said = eddy("--config", config, "input", "check", "--file", file)
    assert code == 0, said
    assert "  counters: 2 of 2 series only rose, but for resets: a (cpu), b (cpu); of these the increase" in said
    code, said = eddy("--config", config, "input", "check", "--file", file, "--json")
    assert [one["counters"] for one in json.loads(said)[0]["series"]] == [["cpu"], ["cpu"]]


def test_a_notebook_shows_increases_beside_their_band() -> None:
    time = pd.date_range("2025-01-01", periods=3000, freq="1min")
    steps = STEPS.astype(float)
    steps[2800] = 4000
    frame = pd.DataFrame({"time": time, "bytes": np.cumsum(steps)})
    detector = Detector("auto", interval="1m").fit(frame[:2000])
    assert any("counters" in note for note in detector.notes_)
    found = detector.detect(frame[2000:])
    points = found.points.iloc[800]
    assert points["value"] == 4000.0
    assert points["upper"] < 1000
    assert bool(points["anomaly"])
    assert Detector("auto", interval="1m", value_type="gauge").fit(frame[:2000]).notes_ == []
    with pytest.raises(SettingsError, match="value_type: found 'rate', expected one of gauge, counter, auto"):
        Detector("auto", interval="1m", value_type="rate").fit(frame[:2000])
