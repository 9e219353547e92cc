"""Check settings: precedence, sources, masking, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eddy.configuration import ORIGINAL_VARIABLES, as_environment, environment_name, flatten, load
from eddy.errors import SettingsError
from eddy.settings import Settings

ROOT = Path(__file__).parents[2]


def test_defaults_come_from_the_settings_classes() -> None:
    loaded = load(environ={})
    assert loaded.settings == Settings()
    assert {source for _, _, source in loaded.rows()} == {"default"}


def test_later_sources_override_earlier_ones(tmp_path: Path) -> None:
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


def test_prefixed_variable_overrides_the_original_one() -> None:
    loaded = load(environ={"DETECTOR_TYPE": "lstm-autoencoder", "EDDY_DETECTOR_TYPE": "isolation-forest"})
    assert loaded.settings.detector.type == "isolation-forest"


@pytest.mark.parametrize("variable", sorted(ORIGINAL_VARIABLES))
def test_variables_of_the_original_system_set_their_settings(variable: str) -> None:
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
def test_unknown_setting_suggests_the_nearest(
    overrides: list[str], environ: dict[str, str], found: str, nearest: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overrides, environ=environ)
    message = str(caught.value)
    assert found in message
    assert f"did you mean {nearest}" in message.replace("'", "")
    assert "\n" not in message


def test_unknown_setting_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_text("redis: {prt: 1}\n")
    with pytest.raises(SettingsError, match=r"unknown setting 'redis\.prt' from .*eddy\.yaml; did you mean 'redis\.p"):
        load(file=file, environ={})


@pytest.mark.parametrize(
    ("content", "expected"),
    [("- a\n- b\n", "expected groups of settings, found list"), ("a: [", "cannot be read"), ("\xff", "")],
)
def test_file_that_is_not_a_settings_file_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "eddy.yaml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=expected):
        load(file=file, environ={})


def test_missing_file_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
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
def test_invalid_value_is_refused(override: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        load([override], environ={})


def test_secrets_are_masked_in_output_and_passed_to_processes() -> None:
    environ = {"EDDY_KAFKA_SASL_PASSWORD": "hush", "EDDY_REDIS_PASSWORD": "secret"}
    loaded = load(environ=environ)
    shown = {key: value for key, value, _ in loaded.rows()}
    assert {shown["kafka.sasl_password"], shown["redis.password"]} == {"********"}
    assert "hush" not in repr(loaded)
    assert as_environment(loaded.settings) == environ


def test_passed_on_overrides_load_as_the_same_settings() -> None:
    overrides = [
        "job.parallelism=3",
        "redis.tls=true",
        "producer.delay_seconds=0.5",
        "topics.alerts=a",
        "wait_for_app=0",
    ]
    settings = load(overrides, environ={}).settings
    assert load(environ=as_environment(settings)).settings == settings


def test_other_eddy_variables_are_ignored() -> None:
    load(environ={"EDDY_HOME": "x", "EDDY_TORCH_INDEX": "y", "EDDY_STACK_INSTANCE": "z", "PATH": "p"})


def test_no_two_settings_share_a_variable() -> None:
    names = [environment_name(key) for key, _ in flatten(Settings())]
    assert len(set(names)) == len(names)


def test_config_show_masks_secrets_and_unknown_keys_are_one_line_errors() -> None:
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


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
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
def test_incomplete_security_settings_are_refused_without_showing_secrets(given: dict[str, str], said: str) -> None:
    overrides = [f"{key}={value}" for key, value in {"kafka.sasl_password": "hush", **given}.items()]
    with pytest.raises(SettingsError, match=said) as refused:
        load(overrides, environ={})
    assert "hush" not in str(refused.value)


def test_every_secret_has_a_file_setting_and_hosts_default_to_loopback() -> None:
    values = dict(flatten(Settings()))
    secret = {key for key in values if f"{key}_file" in values}
    assert secret == {
        "kafka.sasl_password", "kafka.ssl_key_password", "kafka.oauth_client_secret", "redis.password",
        "dashboard.token", "registry.signing_key", "schema_registry.password", "schema_registry.token",
    }  # fmt: skip
    assert {value for key, value in values.items() if key.endswith(".host")} == {"127.0.0.1"}


def test_open_points_alone_means_that_many_in_a_row_wherever_it_is_set() -> None:
    for overrides, environ in ((["alerts.open_points=3"], {}), ([], {"EDDY_ALERTS_OPEN_POINTS": "3"})):
        alerts = load(overrides, environ=environ).settings.alerts
        assert (alerts.open_points, alerts.of_points) == (3, 3)
