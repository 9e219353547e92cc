"""Run ``eddy input check`` and ``eddy input guess`` on files, and on a topic of the real stack."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import orjson
import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from eddy.cli import main as command_line
from eddy.cli.commands import input as commands
from eddy.errors import EddyError
from eddy.input_settings import InputSource
from eddy.inputs.newest_records import kafka_of
from eddy.settings import KafkaSettings, Settings
from eddy.texts import is_printable
from tests.cli.alerts_at_hand import eddy
from tests.inputs.test_guess import made
from tests.integration import harness

logging.getLogger("kafka").setLevel(logging.CRITICAL)
APP = typer.Typer()
APP.callback()(command_line.root)
commands.register(APP)


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(APP, list(map(str, arguments)), env={"EDDY_CONFIG": None})
    if isinstance(done.exception, EddyError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plant data.jsonl"
    path.write_bytes(b"\n".join(record.value or b"" for record in made("plant")) + b"\n\n")
    return path


def test_guess_prints_settings_that_check_reads_without_a_failure(file: Path, tmp_path: Path) -> None:
    config = tmp_path / "eddy.yaml"
    config.write_text(run("input", "guess", "--file", file))
    assert "# The series is `site` and `device.id`" in config.read_text()
    assert "topics:\n  - plant-data\n" in config.read_text()
    shown = run("--config", config, "input", "check", "--file", file)
    assert "input.0: 360 records: 720 observations of 12 series, 0 skipped, 0.0% failed" in shown
    assert "    north/1/t: 60, one every 60 s, such as 2025-12-01T00:00:00Z {" in shown
    (found,) = json.loads(run("--config", config, "input", "check", "--file", file, "--json"))
    assert (found["passes"], found["observations"], found["refused"]) == (True, 720, [])
    assert found["series"][0]["interval_ms"] == 60_000


def test_check_exits_with_1_and_suggests_what_to_change(file: Path, tmp_path: Path) -> None:
    config = tmp_path / "eddy.yaml"
    config.write_text(
        "input:\n- {topics: plant, series: '{site}', time: {field: meta.at, unit: ms}, values: {t: data.t}}\n"
    )
    shown = run("--config", config, "input", "check", "--file", file, code=1)
    assert "100.0% failed" in shown
    assert "  bad-time: 360, such as plant-data[0] offset 1: meta.at: found 1764547200, expected a time from" in shown
    assert "  suggestion: `meta.at` looks like epoch seconds: unit: s" in shown
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert "0 records" in run("--config", config, "input", "check", "--file", empty, code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["input", "check"], "input: found no source in the settings; 'eddy input guess --topic T' prints a first one"),
        (["input", "guess"], "found neither --topic nor --file, expected one of them"),
        (["input", "guess", "--file", "/absent.jsonl"], "/absent.jsonl: cannot be read: No such file"),
        (
            ["--set", 'input=[{"topics":"a"}]', "input", "check", "--topic", "b"],
            "--topic b: found no source in 'input'",
        ),
        (
            ["--set", 'input=[{"topics":"a","series":"{"}]', "input", "check", "--file", "/dev/null"],
            "input.0.series: found '{'",
        ),
    ],
)
def test_mistake_is_one_line_that_says_what_to_do(arguments: list[str], said: str) -> None:
    with pytest.raises(EddyError) as caught:
        run(*arguments)
    assert str(caught.value).startswith(said)


def test_hostile_messages_reach_no_terminal(tmp_path: Path) -> None:
    name = 'a\x1b[31mb\nFAKE\u202ec\x9b2J"'
    path = tmp_path / "x.jsonl"
    rows = [{name: name, "series": name, "ts": 1_735_689_600 + at, "value": at} for at in range(60)]
    path.write_bytes(b"\n".join(map(orjson.dumps, [*rows, {"series": [name]}, {"series": "s", "ts": name}])))
    checked = run("--set", 'input=[{"topics":"x"}]', "input", "check", "--file", path)
    for line in (checked + run("input", "guess", "--file", path)).split("\n"):
        assert is_printable(line), ascii(line)
        assert not line.startswith("FAKE")


def test_source_of_another_cluster_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    ca = "/ca"
    main = KafkaSettings(
        security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_password=SecretStr("hush"), ssl_cafile=ca
    )
    assert kafka_of(InputSource(topics="a"), main) is main
    secret = tmp_path / "secret"
    secret.write_text("other\n")
    given = {"bootstrap_servers": "b:1", "sasl_username": "eddy", "sasl_password_file": str(secret)}
    found = kafka_of(InputSource(topics="a", kafka=given), main)
    assert found.sasl_password is not None
    assert (found.sasl_password.get_secret_value(), found.bootstrap_servers, found.ssl_cafile) == (
        "other",
        "b:1",
        "/ca",
    )
    with pytest.raises(EddyError, match=r"input\.kafka: .*sasl_mechanism PLAIN needs kafka\.security_protocol"):
        kafka_of(InputSource(topics="a", kafka={"security_protocol": "SSL"}), main)


def test_source_of_another_cluster_has_a_login_of_its_own(tmp_path: Path) -> None:
    main = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_password=SecretStr("hush"))
    secret, locked = tmp_path / "secret", tmp_path / "locked"
    secret.write_text("from the file\n")
    locked.write_text("of the key\n")
    given = {
        "sasl_mechanism": "OAUTHBEARER", "oauth_token_url": "https://i.test/t", "oauth_client_id": "me",
        "oauth_client_secret_file": str(secret), "ssl_key_password_file": str(locked), "client_rack": "b",
        "properties": {"fetch.min.bytes": 2},
    }  # fmt: skip
    found = kafka_of(InputSource(topics="a", kafka=given), main)
    assert found.oauth_client_secret is not None
    assert found.ssl_key_password is not None
    assert found.oauth_client_secret.get_secret_value() == "from the file"
    assert found.ssl_key_password.get_secret_value() == "of the key"
    assert (found.client_rack, found.properties) == ("b", {"fetch.min.bytes": "2"})
    with pytest.raises(EddyError, match=r"input\.kafka: .*sasl_mechanism OAUTHBEARER needs kafka\.oauth_client_id"):
        kafka_of(InputSource(topics="a", kafka={**given, "oauth_client_id": None}), main)
    with pytest.raises(EddyError, match=r"input\.kafka\.oauth_client_secret_file: /none cannot be read"):
        kafka_of(InputSource(topics="a", kafka={**given, "oauth_client_secret_file": "/none"}), main)


@pytest.mark.stack
def test_newest_records_of_a_topic_are_read_and_none_is_written(unique_topics: Settings, tmp_path: Path) -> None:
    topic = unique_topics.topics.name("observations")
    with harness.producer(unique_topics) as client:
        for record in made("plant"):
            client.send(topic, key=record.key, value=record.value, timestamp_ms=record.timestamp)
    guessed = eddy(unique_topics, "input", "guess", "--topic", topic)
    assert guessed.returncode == 0, guessed.stderr
    config = tmp_path / "eddy.yaml"
    config.write_text(guessed.stdout)
    done = eddy(unique_topics, "--config", str(config), "input", "check", "--last", "100", "--json")
    (found,) = json.loads(done.stdout)
    assert (found["records"], found["passes"], len(found["series"])) == (100, True, 12)
    assert len(harness.read(unique_topics, "observations")) == len(made("plant"))
