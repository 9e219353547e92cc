"""``eddy evaluate outside``: a table per set, and figures as JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import typer
from typer.testing import CliRunner

from eddy.cli.evaluate import outside
from eddy.models.core.detector import Detector, Explanation
from eddy.models.detectors.zscore import RollingZScore
from eddy.training.evaluation.outside.data_sets import load_outside
from eddy.training.evaluation.outside.severity import run_severity
from eddy.training.evaluation.runs.lineup import entrants


def kpi(tmp_path: Path) -> typer.Typer:
    """Write a series with one labelled spike; return the commands."""
    rng = np.random.default_rng(3)
    values = rng.normal(100, 1, 2000)
    values[1500] += 60
    folder = tmp_path / "outside" / "kpi"
    folder.mkdir(parents=True)
    rows = "\n".join(f"{i * 60_000},{v},{int(i == 1500)}" for i, v in enumerate(values))
    with gzip.open(folder / "s__from_1000.csv.gz", "wt") as file:
        file.write(f"ts,f0,anomaly\n{rows}\n")
    app = typer.Typer()
    group = typer.Typer()
    outside.register(group)
    app.add_typer(group, name="evaluate")
    return app


def test_prints_and_writes_every_set(tmp_path: Path) -> None:
    app, out = kpi(tmp_path), tmp_path / "out"
    common = ["evaluate", "outside", "--data", str(tmp_path), "--detector", "auto", "--out", str(out)]
    shown = CliRunner().invoke(app, common)
    assert shown.exit_code == 0, shown.output
    assert "rolling-z" in shown.output
    written = {one["detector"]: one for one in json.loads((out / "outside.json").read_text())}
    assert written["auto"]["f1"] == 1.0
    assert written["auto"]["series"][0]["series"] == "s"
    told = CliRunner().invoke(app, [*common, "--json", "--no-baselines"])
    assert [one["detector"] for one in json.loads(told.stdout)] == ["auto"]


def test_what_the_folder_holds_is_not_run_again_and_the_page_shows_it(tmp_path: Path) -> None:
    app, out, page = kpi(tmp_path), tmp_path / "out", tmp_path / "page.md"
    command = ["evaluate", "outside", "--data", str(tmp_path), "--detector", "auto", "--out", str(out)]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    (stored,) = (out / "cache").glob("kpi-auto-0-*.json")
    stored.write_text(json.dumps(json.loads(stored.read_text()) | {"f1": 0.123, "vus_pr": None}))
    again = CliRunner().invoke(app, [*command, "--page", str(page)])
    assert again.exit_code == 0, again.output
    lines = page.read_text().splitlines()
    of_auto = [line for line in lines if line.startswith("| auto ")]
    assert of_auto[0] == "| auto | 0.12, 0.00 | 0.123 |"
    assert of_auto[2] == "| auto | nan | nan |"
    assert any(line.startswith("| every-300-rows | ") and " to " in line for line in lines)
    assert "    --detector auto" in lines
    anew = CliRunner().invoke(app, [*command[:-1], str(tmp_path / "other"), "--page", str(page)])
    assert anew.exit_code == 0, anew.output
    assert "| auto | **1.00, 0.00** | 1.000 |" in page.read_text()


def test_shows_what_each_level_of_severity_is_worth(tmp_path: Path) -> None:
    shown = CliRunner().invoke(kpi(tmp_path), ["evaluate", "severity", "--data", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    (row,) = [line for line in shown.output.splitlines() if "kpi" in line]
    assert row.split()[-6:] == ["1", "of", "1", "100%", "0%", "0"], row


def test_shows_severity_by_tens_at_the_threshold_that_is_named(tmp_path: Path) -> None:
    command = ["evaluate", "severity", "--data", str(tmp_path), "--detector", "zscore", "--detector", "novelty"]
    shown = CliRunner().invoke(kpi(tmp_path), [*command, "--threshold", "rate", "--curve"], terminal_width=200)
    assert shown.exit_code == 0, shown.output
    lines = [line.split() for line in shown.output.splitlines()]
    (curve,) = [line for line in lines if line[:1] == ["zscore"] and "kpi" not in line]
    assert curve[-3:] == ["100%", "of", "1"], shown.output  # 90 to 100


def test_words_that_say_only_that_a_window_is_unlike_training_are_no_reason(tmp_path: Path, monkeypatch) -> None:
    def no_band(self, batch, limit):
        none = np.full(batch.values[:, -1].shape, np.nan)
        return Explanation(none, none, none, np.ones_like(none))

    kpi(tmp_path)
    monkeypatch.setattr(RollingZScore, "_explain", no_band)
    monkeypatch.setattr(RollingZScore, "unusual", Detector.unusual)
    outcome = run_severity(entrants(["zscore"])[0], load_outside(tmp_path)[0], threshold="rate")
    assert (sum(outcome.incidents) > 0, outcome.shown, outcome.said) == (True, 0, 0)
