"""Run each script of examples/ on a small file of its kind."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from eddy.stack.paths import ROOT

pytestmark = pytest.mark.slow  # each starts the command line several times
START = datetime(2025, 1, 1, tzinfo=UTC)


def script(name: str, *arguments: Path | str) -> str:
    eddy = f"{Path(sys.executable).with_name('eddy')}"
    command = [str(ROOT / "examples" / f"{name}.sh"), *map(str, arguments)]
    done = subprocess.run(
        command, env={**os.environ, "EDDY": eddy}, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(path: Path, names: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as sink:
        csv.writer(sink).writerows([names, *rows])
    return path


def times(count: int, minutes: int) -> list[str]:
    return [(START + timedelta(minutes=minutes * i)).strftime("%Y-%m-%d %H:%M:%S") for i in range(count)]


def alerts(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open() as source:
        return [row for row in csv.DictReader(source) if row["anomaly"].lower() in ("1", "true")]


def daily(count: int, period: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 40 * np.sin(np.arange(count) * 2 * np.pi / period) + rng.normal(0, 1, count)


def test_taxi_example_finds_the_injected_peak(tmp_path: Path) -> None:
    values = daily(1500, 48, 1)
    values[1200:1204] = 400
    rows: list[tuple[object, ...]] = list(zip(times(1500, 30), values, strict=True))
    script("taxi", write(tmp_path / "nyc_taxi.csv", ("timestamp", "value"), rows), tmp_path / "out")
    peak = int((START + timedelta(minutes=30 * 1200)).timestamp() * 1000)
    assert any(0 <= int(row["ts"]) - peak < 6 * 3_600_000 for row in alerts(tmp_path / "out"))


def test_ucr_example_locates_the_anomaly(tmp_path: Path) -> None:
    values = daily(3000, 50, 2)
    values[2400:2450] = 100
    (tmp_path / "900_UCR_Anomaly_Made_1000_2400_2449.txt").write_text("\n".join(map(str, values)))
    assert "left-discord" in script("ucr", tmp_path)


def test_market_example_finds_the_price_drop(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows: list[tuple[object, ...]] = []
    for name in ("A", "B"):
        prices: np.ndarray = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, 1200)))
        prices[900:] *= 0.9
        rows += [(name, time, price) for time, price in zip(times(1200, 1), prices, strict=True)]
    script("market", write(tmp_path / "prices.csv", ("series", "time", "value"), rows), tmp_path / "out")
    assert {row["series"] for row in alerts(tmp_path / "out")} == {"A", "B"}


def test_dmd_folder_example_alerts_on_every_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed, name in enumerate(("pump-1", "pump-2")):
        values = daily(1000, 48, seed)
        values[800] += 300
        write(tmp_path / "in" / f"{name}.csv", ("time", "value"), list(zip(times(1000, 10), values, strict=True)))
    script("dmd_folder", tmp_path / "in", tmp_path / "out")
    assert {row["series"] for row in alerts(tmp_path / "out")} == {"pump-1", "pump-2"}


def test_power_example_uses_the_consistency_detector(tmp_path: Path, data_folder: Path) -> None:
    lines = (data_folder / "power" / "household_power_consumption.txt").read_text().splitlines()[:6001]
    (tmp_path / "household_power_consumption.txt").write_text("\n".join(lines))
    said = script("power", tmp_path / "household_power_consumption.txt", tmp_path / "out")
    assert "consistency" in json.dumps(json.loads(said))
