from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from eddy.configuration import load
from eddy.errors import SettingsError
from eddy.flink_job.client.submission import Submission
from eddy.flink_rest import KEY, RestAddress
from eddy.input_settings import InputSource
from eddy.ops.job_targets import Choices, submit

CONFIGURATION = load(
    ["kafka.bootstrap_servers=kafka:9092", "kafka.sasl_password=secret", "job.parallelism=4"], environ={}
)
SETTINGS = ["--set", "kafka.bootstrap_servers=kafka:9092", "--set", "job.parallelism=4"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "env.zip"
    path.touch()
    return path


def printed(choices: Choices) -> list[str]:
    return shlex.split(submit(CONFIGURATION, choices, only_print=True))


def test_remote_target_builds_the_flink_command(archive: Path) -> None:
    found = printed(
        Choices("remote", "jm:8081", "s3://b/savepoint-1", str(archive), options=("taskmanager.numberOfTaskSlots=4",))
    )
    assert Path(found[0]).name == "flink"
    assert found[1:7] == ["run", "--detached", "-m", "jm:8081", "-Dtaskmanager.numberOfTaskSlots=4", "--fromSavepoint"]
    assert pair(found, "-pyarch") == f"{archive}#eddy_env"
    assert pair(found, "-pyexec") == "eddy_env/bin/python"
    assert Path(pair(found, "-py")).name == "main.py"
    jars = {Path(found[place + 1]).name.partition("-2.")[0] for place, word in enumerate(found) if word == "--jar"}
    assert {"eddy-flink.jar", "flink-python"} < jars
    assert "secret" not in " ".join(found)
    assert found[found.index("--set") : found.index("--jar")] == SETTINGS


def test_cluster_with_python_and_jars_gets_neither_shipped() -> None:
    found = printed(Choices("remote", "jm:8081", python="/usr/bin/python3.11", jars_present=True))
    assert pair(found, "-pyexec") == "/usr/bin/python3.11"
    assert "--jar" not in found
    assert "-pyarch" not in found


def test_yarn_target_ships_the_archive(archive: Path) -> None:
    found = printed(Choices("yarn", archive=str(archive)))
    assert pair(found, "-t") == "yarn-application"
    (shipped,) = (word for word in found if word.startswith("-Dyarn.ship-files="))
    folder = Path(shipped.partition("=")[2]).name
    assert pair(found, "-pyarch") == f"{folder}/env.zip#eddy_env"
    assert pair(found, "-pyclientexec") == pair(found, "-pyexec") == "eddy_env/bin/python"
    assert (pair(found, "-pyfs"), pair(found, "-pym")) == (folder, "eddy.flink_job.main")
    assert found[-4:] == SETTINGS


def test_kubernetes_target_uses_the_image() -> None:
    found = printed(Choices("kubernetes-application", "eddy-1", image="registry.example/eddy:1"))
    assert pair(found, "-t") == "kubernetes-application"
    assert {"-Dkubernetes.cluster-id=eddy-1", "-Dkubernetes.container.image.ref=registry.example/eddy:1"} < set(found)
    assert pair(found, "-pyexec") == "/opt/eddy/venv/bin/python"
    assert "--jar" not in found


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (Choices("mesos"), r"'mesos' is unknown; known: local, remote, yarn, kubernetes-application"),
        (Choices("remote", "jm"), r"HOST:PORT .* found 'jm'"),
        (Choices("remote", "jm:1", archive="gone.zip"), r"gone\.zip: there is no such file; 'eddy job pack"),
        (Choices("yarn"), r"needs the environment's archive"),
        (Choices("kubernetes-application"), r"needs --image"),
        (Choices("remote", "jm:1", options=("x",)), r"--flink-option 'x': expected KEY=VALUE"),
    ],
)
def test_contradictory_choices_are_refused(choices: Choices, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        submit(CONFIGURATION, choices, only_print=True)


def test_input_sources_travel_with_the_job() -> None:
    source = {"topics": "plant", "series": "{site}"}
    command = submit(load([f"input=[{json.dumps(source)}]"], environ={}), Choices("remote", "jm:1"), only_print=True)
    given = next(one.removeprefix("input=") for one in shlex.split(command) if one.startswith("input="))
    assert load([f"input={given}"], environ={}).settings.input == (InputSource.model_validate(source),)


def pair(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_flink_run_speaks_tls_where_the_address_has_an_identity(tmp_path):
    """By its ``-m`` alone: ``security.ssl.rest.enabled`` in its configuration is replaced by what that says."""
    (tmp_path / KEY).touch()
    work = Submission(flink=["flink"], arguments=[], script=tmp_path / "main.py", client_python="python")
    for folder, expected in ((tmp_path, "https://jm:8081"), (tmp_path / "none", "jm:8081"), (None, "jm:8081")):
        command = work.remote(RestAddress("jm:8081", folder))
        assert command[command.index("-m") + 1] == expected
