"""Run ``eddy predict`` and get from CSV to predictions to anomalies."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eddy.cli.commands import backtest, predict
from eddy.cli.main import app
from eddy.cli.train import command as train
from eddy.errors import DataError, SettingsError

START = 1_735_689_600  # s: 2025
SPIKE = 700


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predict") / "waves.csv"
    t = np.arange(800)
    values = 10 + np.sin(2 * np.pi * t / 24) + np.random.default_rng(0).normal(0, 0.05, len(t))
    values[SPIKE] += 5
    path.write_text("time,value\n" + "\n".join(f"{START + i * 3600},{v:.6f}" for i, v in enumerate(values)) + "\n")
    return path


def eddy(*arguments: str) -> str:
    commands = {name for command in app.registered_commands if command.callback for name in [command.callback.__name__]}
    for module in (train, predict, backtest):
        if module.__name__.rpartition(".")[2] not in commands:
            module.register(app)
    done = CliRunner().invoke(app, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    "detector",
    [
        ("dmd", "--window", "25"),
        (
            "ensemble",
            "--member",
            "zscore,weight=2,window=24",
            "--member",
            "dmd,window=25,rank=6",
            "--param",
            "rule=max",
        ),
        ("dmd", "--window", "25", "--calibrated"),
    ],
    ids=["dmd", "ensemble", "calibrated"],
)
def test_predict_writes_predictions_and_anomalies(data: Path, tmp_path: Path, detector: tuple[str, ...]) -> None:
    model, out = tmp_path / "model", tmp_path / "predictions.csv"
    eddy("train", "--detector", *detector, "--data", str(data), "--train-share", "0.7", "--out", str(model))
    said = json.loads(eddy("predict", "--model", str(model), "--data", str(data), "--out", str(out), "--json"))
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == said["points"] == 800 - 24
    assert sum(row["anomaly"] == "1" for row in rows) == said["anomalies"]
    by_time = {int(row["ts"]): row for row in rows}
    struck = by_time[(START + SPIKE * 3600) * 1000]
    assert struck["anomaly"] == "1"
    assert float(struck["value"]) > float(struck["upper"]) > float(struck["expected"]) > float(struck["lower"])
    assert said["anomalies"] < 40


def test_invalid_options_are_refused(data: Path, tmp_path: Path) -> None:
    common = ("--data", str(data), "--out", str(tmp_path / "m"))
    with pytest.raises(SettingsError, match="no members"):
        eddy("train", "--detector", "dmd", "--member", "zscore", *common)
    with pytest.raises(SettingsError, match="NAME=VALUE"):
        eddy("train", "--detector", "ensemble", "--member", "zscore,heavy", *common)
    eddy("train", "--detector", "dmd", "--window", "25", *common)
    other = tmp_path / "other.csv"
    other.write_text("time,a,b\n2025-01-01,1,2\n2025-01-02,1,2\n")
    with pytest.raises(DataError, match="trained on value"):
        eddy("predict", "--model", str(tmp_path / "m"), "--data", str(other), "--out", str(tmp_path / "p.csv"))


GAP = 9 * 6  # points of ten minutes without data: longer than a window bridges


def written(path: Path, minutes: list[int], values: list[float]) -> Path:
    rows = (f"{1_735_689_600 + 60 * m},{v:.3f}" for m, v in zip(minutes, values, strict=True))
    path.write_text("time,value\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("detector", ["novelty", "auto", "zscore"])
def test_spike_after_a_long_gap_is_found_as_by_a_backtest(tmp_path: Path, detector: str) -> None:
    rng = np.random.default_rng(1)
    trained = written(tmp_path / "trained.csv", [10 * i for i in range(900)], rng.normal(20, 1, 900).tolist())
    points = [i for i in range(700 + GAP) if not 500 <= i < 500 + GAP]
    values = rng.normal(20, 1, 700)
    values[600] += 100
    data = written(tmp_path / "gap.csv", [10 * i for i in points], values.tolist())
    model, out = tmp_path / "m", tmp_path / "p.csv"
    of = ("--detector", detector, "--window", "24", "--interval", "10m", "--data", str(trained), "--out", str(model))
    eddy("train", *of)
    said = json.loads(eddy("predict", "--model", str(model), "--data", str(data), "--out", str(out), "--json"))
    with out.open() as file:
        odd = [int(row["ts"]) for row in csv.DictReader(file) if row["anomaly"] == "1"]
    assert said["anomalies"] == len(odd)
    tested = json.loads(eddy("backtest", "--model", str(model), "--data", str(data), "--alone", "--json"))
    spike = 1_735_689_600_000 + 600_000 * points[600]
    assert spike in odd
    assert spike in [one["would"]["start"] for one in tested["incidents"]]
    assert {one["would"]["start"] for one in tested["incidents"]} <= set(odd)


def test_points_that_nobody_measured_get_no_row(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(20, 1, 900)
    trained = written(tmp_path / "trained.csv", [10 * i for i in range(900)], values.tolist())
    hourly = written(tmp_path / "hourly.csv", [60 * i for i in range(300)], values[:300].tolist())
    model, out = tmp_path / "m", tmp_path / "p.csv"
    eddy("train", "--detector", "zscore", "--window", "24", "--data", str(trained), "--out", str(model))
    eddy("predict", "--model", str(model), "--data", str(hourly), "--out", str(out))
    with out.open() as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == [round(x, 3) for x in values[4:300].tolist()]


def test_interval_that_does_not_fit_is_told_in_training_and_stops_predict(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(20, 1, 2000)
    minutely = written(tmp_path / "minutely.csv", list(range(2000)), values.tolist())
    hourly = written(tmp_path / "hourly.csv", [60 * i for i in range(2000)], values.tolist())
    model = tmp_path / "m"
    trained = json.loads(
        eddy("train", "--detector", "zscore", "--window", "24", "--data", str(minutely), "--out", str(model), "--json")
    )
    assert trained["notes"] == []
    with pytest.raises(DataError, match=r"no point could be scored .* every 3600 s, the model expects one every 60 s"):
        eddy("predict", "--model", str(model), "--data", str(hourly), "--out", str(tmp_path / "p.csv"))
    other = tmp_path / "other"
    arguments = ("train", "--detector", "novelty", "--interval", "10m", "--data", str(hourly), "--out", str(other))
    trained = json.loads(eddy(*arguments, "--json"))
    assert "every 3600 s, the model expects one every 600 s: 5 of 6 points" in trained["notes"][0]
    assert trained["metrics"]["interval_mismatch"] == trained["notes"][0]


def test_training_on_another_interval_fails_in_one_short_line(tmp_path: Path) -> None:
    hourly = written(tmp_path / "hourly.csv", [60 * i for i in range(500)], [20.0] * 500)
    with pytest.raises(DataError, match="never fills") as caught:
        eddy("train", "--detector", "zscore", "--interval", "1m", "--data", str(hourly), "--out", str(tmp_path / "m"))
    assert len(str(caught.value)) < 400
