"""Check that ``eddy backtest`` finds the job's alerts with the same model and others with another one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from eddy.cli.commands.backtest import register
from eddy.cli.main import root
from eddy.configuration import as_environment
from eddy.errors import EddyError
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.cli.alerts_at_hand import eddy
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

SPIKES = {("a", 20): 9.0, ("a", 60): 9.0, ("b", 40): -9.0}
OBSERVATIONS = harness.noise(["a", "b"], 80, SPIKES)
DEAF = 1000.0


def moment(point: int) -> str:
    return datetime.fromtimestamp((START + point * STEP) / 1000, UTC).isoformat()


def call(settings: Settings, *arguments: str) -> Result:
    """The command in this process: each process of its own takes seconds to start."""
    app = typer.Typer()
    app.callback()(root)
    register(app)
    return CliRunner().invoke(app, ["backtest", *arguments], env=as_environment(settings))


def sides(settings: Settings, *arguments: str) -> list[tuple[str, str, int]]:
    """(side, series, point at which it starts) of each line."""
    done = call(settings, "--json", *arguments)
    assert done.exit_code == 0, done.exception
    told = json.loads(done.stdout)
    assert sum(told[side] for side in ("both", "would", "did")) == len(told["incidents"])
    ones = [(line["side"], line["would"] or line["did"]) for line in told["incidents"]]
    return sorted((side, one["series"], (one["start"] - START) // STEP) for side, one in ones)


def all_of(side: str, spikes: Sequence[tuple[str, int]] = tuple(SPIKES)) -> list[tuple[str, str, int]]:
    return sorted((side, series, point) for series, point in spikes)


def test_backtest_compares_a_model_with_the_recorded_alerts(
    stack: Stack, unique_topics: Settings, tmp_path: Path
) -> None:
    settings = unique_topics
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, [harness.event(*one) for one in OBSERVATIONS])
    harness.run_to_end(stack, settings)
    harness.publish(settings, harness.model(name="deaf", limit=DEAF))

    assert sides(settings, "--model", "z") == all_of("both")
    assert sides(settings, "--model", "z", "--alone") == all_of("would")
    assert sides(settings, "--model", "deaf") == all_of("did")
    part = ("--from", moment(21), "--to", moment(41))
    assert sides(settings, "--model", "z", *part) == all_of("both", [("b", 40)])
    assert sides(settings, "--model", "deaf", *part) == all_of("did", [("b", 40)])

    rows = [f"{ts},{series},{value}" for series, ts, value in OBSERVATIONS if series == "a"]
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["timestamp,series,value", *rows]) + "\n")
    assert sides(settings, "--model", "z", "--data", str(file)) == all_of("both", [("a", 20), ("a", 60)])
    shown = call(settings, "--model", "z", "--data", str(file)).stdout
    assert "z version 1 would have opened 2 incidents in 1 series; both 2, only the model 0, only then 0" in shown

    for wrong, told in {
        ("--model", "nobody"): "'nobody' is not in the registry; published: deaf, z",
        ("--model", "z@7"): "no such version; there: 1",
        ("--model", "z", "--from", "yesterday"): "--from: time stamp 'yesterday': expected ISO-8601",
        ("--model", "z", "--from", moment(9), "--to", moment(9)): "is not before --to",
        ("--model", "z", "--from", moment(500)): "no point from 2025-01-01 08:20:00",
        ("--model", "z", "--series", "c*"): "no observation of these series",
        ("--model", "z", "--data", str(tmp_path / "nowhere.csv")): "nowhere.csv",
    }.items():
        error = call(settings, *wrong).exception
        assert isinstance(error, EddyError), (wrong, error)
        assert told in str(error), wrong
    done = eddy(settings, "backtest", "--model", "nobody")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
