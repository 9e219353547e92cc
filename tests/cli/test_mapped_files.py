"""Train, predict, backtest and evaluate on files of messages that an input source describes."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from eddy.cli.commands import backtest, predict
from eddy.cli.commands import input as input_commands
from eddy.cli.evaluate import command as evaluate
from eddy.cli.main import app
from eddy.cli.train import command as train
from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError, SettingsError
from eddy.input_settings import InputSource
from eddy.inputs.files import chosen_source
from eddy.settings import Settings
from eddy.training.data.mapped_files import load_mapped

logging.getLogger("kafka").setLevel(logging.CRITICAL)
START = 1_735_689_600  # s: 2025
POINTS, SPIKE = 500, 400
SOURCE = {
    "topics": ["plant"], "series": "{topic}/{site}/{device.id}", "time": {"field": "meta.at", "unit": "s"},
    "values": {"value": "data.t"}, "numbers": "text", "where": {"kind": "reading"},
}  # fmt: skip


def eddy(*arguments: object) -> str:
    commands = {one.callback.__name__ for one in app.registered_commands if one.callback}
    groups = {one.name for one in app.registered_groups}
    for module in (train, predict, backtest, evaluate, input_commands):
        if not {module.__name__.rpartition(".")[2], module.__name__.split(".")[-2]} & (commands | groups):
            module.register(app)
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"EDDY_CONFIG": None})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The same data as CSV and as nested messages with numbers as text, and the source of these."""
    folder = tmp_path_factory.mktemp("mapped")
    rng = np.random.default_rng(3)
    rows, lines = ["series,time,value"], []
    for at in range(POINTS):
        for device in (1, 2):
            value = round(float(10 + np.sin(2 * np.pi * at / 24) + rng.normal(0, 0.05)), 4)
            value += 5 * (at == SPIKE and device == 2)
            rows.append(f"plant/north/{device},{START + 600 * at},{value}")
            message = {"kind": "reading", "site": "north", "device": {"id": device}, "meta": {"at": START + 600 * at}}
            lines.append(json.dumps({**message, "data": {"t": str(value)}}))
        lines.append(json.dumps({"kind": "heartbeat", "at": at}))
    (folder / "a.csv").write_text("\n".join(rows) + "\n")
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n\n")
    (folder / "source.yaml").write_text(yaml.safe_dump({"input": [SOURCE]}))
    return folder / "a.csv", folder / "a.jsonl", folder / "source.yaml"


def test_messages_give_the_model_and_the_predictions_of_the_same_data_as_csv(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    table, messages, source = files
    same = ("--detector", "dmd", "--window", "25", "--name", "m")
    eddy("train", *same, "--data", table, "--out", tmp_path / "csv")
    eddy("train", *same, "--data", messages, "--input", source, "--out", tmp_path / "json")
    eddy("predict", "--model", tmp_path / "csv", "--data", table, "--out", tmp_path / "csv.csv")
    settings = ("--set", f"input={json.dumps([SOURCE])}")
    eddy(*settings, "predict", "--model", tmp_path / "json", "--data", messages, "--input", 0,
         "--out", tmp_path / "json.csv")  # fmt: skip
    assert (tmp_path / "json.csv").read_text() == (tmp_path / "csv.csv").read_text()

    found = [
        json.loads(eddy("backtest", "--model", tmp_path / "csv", "--alone", "--json", *data))["incidents"]
        for data in (("--data", table), ("--data", messages, "--input", source))
    ]
    assert found[0] == found[1]
    assert any(one["would"]["start"] == 1000 * (START + 600 * SPIKE) for one in found[1])


def test_evaluate_reads_messages(files: tuple[Path, Path, Path]) -> None:
    table, messages, source = files
    figures = [
        json.loads(eddy("evaluate", "csv", "--data", *data, "--json"))[0]
        for data in ((table,), (messages, "--input", source))
    ]
    assert figures[0]["events"] == figures[1]["events"]
    assert (figures[1]["events"]["alerts"], figures[1]["events"]["points"]) == (1, 850)


def test_message_that_cannot_be_read_is_an_error_or_counted(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, messages, source = files
    lines = messages.read_text().splitlines()
    lines[6] = lines[6].replace('"t": "', '"t": "x')
    lines[9] = "{"
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join(lines))
    options = ("train", "--detector", "zscore", "--data", bad, "--input", source, "--out", tmp_path / "m")
    with pytest.raises(DataError, match=r"bad.jsonl line 7: bad-value: values.value: found 'x.* \(--skip-bad-rows"):
        eddy(*options)
    assert "note: 2 messages left out, the first: bad.jsonl line 7: bad-value" in eddy(*options, "--skip-bad-rows")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "3"), "--input 3: found none in 'input' of the settings, expected one with this number"),
        (("--input", "/absent.yaml"), "--input /absent.yaml: cannot be read: No such file"),
        (("--input", "{list}"), "found a list of 2, expected one source"),
        (("--input", "{wrong}"), "wrong.yaml: .*extra_forbidden|wrong.yaml: sereis: "),
        (("--input", "{source}", "--time", "at"), "do not go with --input"),
        (("--input", "{source}", "--format", "nab"), "do not go with --input"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    files: tuple[Path, Path, Path], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "list.yaml").write_text(yaml.safe_dump([SOURCE, SOURCE]))
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump({"sereis": "{a}"}))
    names = {"list": tmp_path / "list.yaml", "wrong": tmp_path / "wrong.yaml", "source": files[2]}
    given = [one.format(**names) for one in arguments]
    with pytest.raises(SettingsError, match=said):
        eddy("train", "--detector", "zscore", "--data", files[1], "--out", tmp_path / "m", *given)


def test_source_of_a_file_may_leave_out_its_topics(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("series: '{site}'\nvalues: {t: t}\n")
    name, source = chosen_source(Settings(), str(tmp_path / "mine.yaml"))
    assert (source.topics, source.values, name) == (("mine",), {"t": "t"}, str(tmp_path / "mine.yaml"))


@given(content=st.binary(max_size=300))
def test_no_file_raises_anything_else(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "any"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no observation by"):
        load_mapped(path, InputSource(topics=("t",)), Settings(), Skipped())
    with contextlib.suppress(SettingsError):
        chosen_source(Settings(), str(path))


def test_parquet_is_read_by_its_columns_as_lines_are(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    _, lines, _ = files
    rows = [json.loads(line) for line in lines.read_text().splitlines() if line]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    source = InputSource.model_validate(SOURCE)
    expected = load_mapped(lines, source, Settings(), Skipped(strict=True))
    found = load_mapped(tmp_path / "a.parquet", source, Settings(), Skipped(strict=True))
    assert [one.name for one in found.series] == [one.name for one in expected.series] != []
    for one, other in zip(found.series, expected.series, strict=True):
        assert np.array_equal(one.ts, other.ts)
        assert np.array_equal(one.values, other.values)
