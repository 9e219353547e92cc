"""Settings: precedence, sources, masking, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eddy.configuration import ORIGINAL_VARIABLES, as_environment, environment_name, flatten, load
from eddy.errors import SettingsError
from eddy.settings import Settings

ROOT = Path(__file__).parents[2]


def test_defaults() -> None:
    loaded = load(environ={})
    assert loaded.settings == Settings()
    assert {source for _, _, source in loaded.rows()} == {"default"}


def test_each_source_beats_the_one_before_it(tmp_path: Path) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_text(
        "job: {parallelism: 2, shards: 32, batch_ms: 5}\ndetector: {window_size: 10}\nwait_for_app: false\n"
    )
    environ = {"WINDOW_SIZE": "336", "EDDY_JOB_SHARDS": "64", "EDDY_JOB_BATCH_MS": "7", "EDDY_CONFIG": str(file)}
    loaded = load(["job.batch_ms=9"], environ=environ)
    found = loaded.settings.job
    assert (found.parallelism, found.shards, found.batch_ms) == (2, 64, 9)
    assert loaded.settings.detector.window_size == 336
    assert loaded.settings.wait_for_app is False
    rows = {key: (value, source) for key, value, source in loaded.rows()}
    assert rows["job.parallelism"] == ("2", str(file))
    assert rows["job.shards"] == ("64", "EDDY_JOB_SHARDS")
    assert rows["job.batch_ms"] == ("9", "command line")
    assert rows["detector.window_size"] == ("336", "WINDOW_SIZE")
    assert rows["job.name"] == ("eddy", "default")


def test_a_prefixed_variable_beats_the_original_one() -> None:
    loaded = load(environ={"DETECTOR_TYPE": "lstm-autoencoder", "EDDY_DETECTOR_TYPE": "isolation-forest"})
    assert loaded.settings.detector.type == "isolation-forest"


@pytest.mark.parametrize("variable", sorted(ORIGINAL_VARIABLES))
def test_the_original_systems_variables_reach_their_settings(variable: str) -> None:
    value = {"DETECTOR_TYPE": "x", "CONTAMINATION": "0.1"}.get(variable, "1" if variable in _FLAGS else "7")
    loaded = load(environ={variable: value})
    assert loaded.sources == {ORIGINAL_VARIABLES[variable]: variable}


_FLAGS = {"LOOP_DATA", "WAIT_FOR_APP"}


@pytest.mark.parametrize(
    ("overrides", "environ", "found", "nearest"),
    [
        (["job.paralelism=2"], {}, "job.paralelism", "job.parallelism"),
        ([], {"EDDY_JOB_PARALELISM": "2"}, "EDDY_JOB_PARALELISM", "EDDY_JOB_PARALLELISM"),
        (["kafka.bootstrap_server=x"], {}, "kafka.bootstrap_server", "kafka.bootstrap_servers"),
        (["stack=1"], {}, "stack", ""),
    ],
)
def test_an_unknown_setting_names_the_nearest(
    overrides: list[str], environ: dict[str, str], found: str, nearest: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overrides, environ=environ)
    message = str(caught.value)
    assert found in message
    assert f"did you mean {nearest}" in message.replace("'", "")
    assert "\n" not in message


def test_an_unknown_setting_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_text("redis: {prt: 1}\n")
    with pytest.raises(SettingsError, match=r"unknown setting 'redis\.prt' from .*eddy\.yaml; did you mean 'redis\.p"):
        load(file=file, environ={})


@pytest.mark.parametrize(
    ("content", "expected"),
    [("- a\n- b\n", "expected groups of settings, found list"), ("a: [", "cannot be read"), ("\xff", "")],
)
def test_a_file_that_is_not_settings(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=expected):
        load(file=file, environ={})


def test_a_file_that_is_missing_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(file=tmp_path / "absent.yaml", environ={})
    (tmp_path / "empty.yaml").touch()
    assert load(file=tmp_path / "empty.yaml", environ={}).settings == Settings()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("job.parallelism=0", r"setting job\.parallelism from command line: found '0'; .*greater than or equal to 1"),
        ("job.parallelism=two", r"found 'two'; .*integer"),
        ("job.delivery=never", r"found 'never'; .*'at-least-once' or 'exactly-once'"),
        ("job.parallelism", r"expected KEY=VALUE"),
    ],
)
def test_a_value_that_does_not_fit(override: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        load([override], environ={})


def test_secrets_are_masked_where_shown_and_passed_on_where_needed() -> None:
    environ = {"EDDY_KAFKA_SASL_PASSWORD": "hush", "EDDY_REDIS_PASSWORD": "secret"}
    loaded = load(environ=environ)
    shown = {key: value for key, value, _ in loaded.rows()}
    assert {shown["kafka.sasl_password"], shown["redis.password"]} == {"********"}
    assert "hush" not in repr(loaded)
    assert as_environment(loaded.settings) == environ


def test_what_is_passed_on_loads_as_the_same_settings() -> None:
    overrides = [
        "job.parallelism=3",
        "redis.tls=true",
        "producer.delay_seconds=0.5",
        "topics.alerts=a",
        "wait_for_app=0",
    ]
    settings = load(overrides, environ={}).settings
    assert load(environ=as_environment(settings)).settings == settings


def test_variables_that_are_no_settings_are_let_through() -> None:
    load(environ={"EDDY_HOME": "x", "EDDY_TORCH_INDEX": "y", "EDDY_STACK_INSTANCE": "z", "PATH": "p"})


def test_no_two_settings_share_a_variable() -> None:
    names = [environment_name(key) for key, _ in flatten(Settings())]
    assert len(set(names)) == len(names)


def test_config_show_masks_and_the_command_explains_an_unknown_key_in_one_line() -> None:
    def eddy(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from eddy.cli.main import main; main()", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    shown = eddy("--set", "redis.password=hush", "config", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    assert '"********"' in shown.stdout
    assert "hush" not in shown.stdout
    wrong = eddy("--set", "redis.prt=1", "config", "show")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("eddy: unknown setting 'redis.prt'")
    assert len(wrong.stderr.splitlines()) == 1


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    loaded = load([f"redis.password_file={secret}"], environ={"EDDY_REDIS_PASSWORD": "other"})
    assert loaded.settings.redis.password is not None
    assert loaded.settings.redis.password.get_secret_value() == "hush"
    shown = {key: (value, source) for key, value, source in loaded.rows()}
    assert shown["redis.password"] == ("********", str(secret))
    assert as_environment(loaded.settings) == {"EDDY_REDIS_PASSWORD_FILE": str(secret)}
    secret.write_text("")
    with pytest.raises(SettingsError, match=r"redis\.password_file: .* is empty; expected the secret"):
        load([f"redis.password_file={secret}"], environ={})
    with pytest.raises(SettingsError, match=r"redis\.password_file: .*absent cannot be read: No such file"):
        load([f"redis.password_file={tmp_path / 'absent'}"], environ={})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka.security_protocol": "SASL_SSL"}, "needs kafka.sasl_mechanism"),
        ({"kafka.sasl_mechanism": "PLAIN"}, "needs kafka.security_protocol SASL_SSL"),
        ({"kafka.ssl_certfile": "/c.pem"}, "belong together"),
    ],
)
def test_half_a_security_setting_is_an_error_that_shows_no_secret(given: dict[str, str], said: str) -> None:
    overrides = [f"{key}={value}" for key, value in {"kafka.sasl_password": "hush", **given}.items()]
    with pytest.raises(SettingsError, match=said) as refused:
        load(overrides, environ={})
    assert "hush" not in str(refused.value)


def test_every_secret_can_lie_in_a_file_and_everything_listens_on_loopback() -> None:
    values = dict(flatten(Settings()))
    secret = {key for key in values if f"{key}_file" in values}
    assert secret == {"kafka.sasl_password", "redis.password", "dashboard.token", "registry.signing_key"}
    assert {value for key, value in values.items() if key.endswith(".host")} == {"127.0.0.1"}
