"""Run the commands that read CSV files: the same options, the same errors, and no success without a point used."""

from __future__ import annotations

import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from eddy.cli.csv_options import CsvOptions
from eddy.cli.data_set_options import DataColumns
from eddy.cli.main import COMMANDS, USER_ERROR, root
from eddy.csv_files.skipped import Skipped
from eddy.errors import EddyError, SettingsError
from eddy.event_times import TimeRange
from eddy.settings import Settings

READING = (
    "train", "predict", "evaluate csv", "backtest", "preprocess", "produce csv", "produce folder",
)  # fmt: skip
pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")  # none reaches the user


def whole_app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(root)
    for name in COMMANDS:
        importlib.import_module(f"eddy.cli.{name}").register(app)
    return app


def eddy(*arguments: str | Path) -> tuple[int, str]:
    """Run the command; return exit code and all that it printed, as ``main`` would."""
    done = CliRunner().invoke(whole_app(), list(map(str, arguments)))
    if isinstance(done.exception, EddyError):
        return USER_ERROR, f"{done.output}eddy: {done.exception}"
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_every_command_that_reads_csv_files_has_the_same_options() -> None:
    app = whole_app()
    asked = {f"--{option.name.replace('_', '-')}" for option in fields(CsvOptions)}
    for path in READING:
        command: Any = typer.main.get_command(app)
        for name in path.split():
            command = command.commands[name]
        assert not asked - {option for one in command.params for option in one.opts}, path


def test_options_become_a_layout() -> None:
    options = DataColumns(
        time=["day", "clock"], columns="day, clock, , x", min_time="1970-01-01", max_time="2030-01-01T00:00:00Z",
        thousands=".", timezone="Asia/Tokyo",
    )  # fmt: skip
    layout = options.layout(Settings(), "name")
    assert (layout.time, layout.columns) == (("day", "clock"), ("day", "clock", "", "x"))
    assert layout.times == TimeRange(0, 1_893_456_000_000)
    assert (layout.thousands, layout.timezone, layout.series_name) == (".", "Asia/Tokyo", "name")
    settings = Settings.model_validate({"job": {"min_event_time": "1970-01-01T00:00:00Z"}})
    assert CsvOptions().layout(settings).times.first_ms == 0
    with pytest.raises(SettingsError, match="--min-time: found 'soon'"):
        CsvOptions(min_time="soon").layout(Settings())
    with pytest.raises(SettingsError, match="--min-time 2030-01-01 is after --max-time 2029-01-01"):
        CsvOptions(min_time="2030-01-01", max_time="2029-01-01").layout(Settings())


def local_file(folder: Path, rows: int = 1000) -> Path:
    """Write what needs most of the options: local times, decimal commas, Windows' encoding."""
    path = folder / "local.csv"
    times = [f"{1 + i // 144:02}.01.2025 {i // 6 % 24:02}:{i % 6}0" for i in range(rows)]
    text = "\n".join(["wer;wann;wert", *(f"Küche;{time};20,{i % 7}" for i, time in enumerate(times))])
    path.write_bytes(f"{text}\n".encode("cp1252"))
    return path


LOCAL = ("--series-column", "wer", "--time", "wann", "--value", "wert", "--time-format", "%d.%m.%Y %H:%M",
         "--timezone", "Europe/Berlin", "--encoding", "cp1252")  # fmt: skip


def test_a_local_file_is_trained_predicted_and_evaluated_with_the_same_options(tmp_path: Path) -> None:
    path = local_file(tmp_path)
    model, out = tmp_path / "m", tmp_path / "p.csv"
    for arguments in (
        ("train", "--detector", "zscore", "--window", "24", "--out", model),
        ("predict", "--model", model, "--out", out),
        ("backtest", "--model", model, "--alone"),
        ("evaluate", "csv", "--detector", "zscore"),
        ("preprocess",),
    ):
        code, said = eddy(*arguments, "--file" if arguments[0] == "preprocess" else "--data", path, *LOCAL)
        assert code == 0, said
    first = out.read_text(encoding="utf-8").splitlines()[1].split(",")
    assert first[0] == "Küche"
    assert (int(first[1]) - 1_735_686_000_000) % 600_000 == 0  # an hour before midnight UTC


def test_a_command_that_used_nothing_does_not_end_well(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    path.write_text("time,value\n2025-01-01 00:00:00,high\n2025-01-01 00:10:00,low\n")
    short = tmp_path / "short.csv"
    short.write_text("time,value\n" + "".join(f"2025-01-01 00:{i:02}:00,{i % 7}\n" for i in range(60)))
    for arguments in (
        ("train", "--detector", "zscore", "--out", tmp_path / "m"),
        ("train", "--detector", "zscore", "--out", tmp_path / "m", "--skip-bad-rows"),
        ("evaluate", "csv", "--detector", "zscore"),
    ):
        code, said = eddy(*arguments, "--data", path)
        assert code == USER_ERROR, said
        assert "text.csv line 2: value 'high' is not a number; leave text columns out with --value" in said
    code, said = eddy("evaluate", "csv", "--detector", "zscore", "--data", short)
    assert (code, "no point was scored" in said) == (USER_ERROR, True), said


def test_skipped_rows_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = "".join(f"a,2025-01-{1 + i // 24:02} {i % 24:02}:00,{i % 7}\n" for i in range(400))
    path.write_text(f"series,time,value\n{rows}a,soon,1\n")
    arguments = ("train", "--detector", "zscore", "--window", "24", "--data", path, "--out", tmp_path / "m")
    code, said = eddy(*arguments)
    assert code == USER_ERROR
    assert "line 402: time 'soon': expected ISO-8601" in said
    assert "--skip-bad-rows leaves such rows out" in said
    code, said = eddy(*arguments, "--skip-bad-rows")
    assert code == 0, said
    assert "note: 1 rows left out, the first:" in said


def test_skipped_counts_join() -> None:
    one, two = Skipped(rows=2, examples=["a", "b"], files=1), Skipped(rows=5, examples=list("cdefg"))
    one.join(two)
    assert (one.rows, one.files, one.examples) == (7, 1, list("abcde"))
