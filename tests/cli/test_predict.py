"""Run ``eddy predict`` and get from CSV to predictions to anomalies."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eddy.cli.commands import predict
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
    for module in (train, predict):
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
