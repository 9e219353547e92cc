"""Check images and compose file as far as possible without a Docker engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from eddy.cli import main as command_line
from eddy.configuration import ORIGINAL_VARIABLES, as_text, environment_name, flatten
from eddy.settings import Settings
from eddy.stack.paths import ROOT
from tests.import_graph import LINKED

DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
OURS = {"eddy-job", "eddy-services"}
FLINKS = {"jobmanager", "taskmanager"}  # commands of Flink's own entry point
#: which service may be given which file of variables; 'eddy.env' has no secrets, the others have one service's
SECRETS_OF = {
    "job.env": {"jobmanager", "taskmanager", "job"},
    "trainer.env": {"trainer"},
    "dashboard.env": {"dashboard"},
    "producer.env": {"producer"},
    "exporter.env": {"exporter"},
}
DIGEST = re.compile(r".+:[^@]*\d[^@]*@sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text()))


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles_pass_the_linter(file: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "-c", ROOT / ".hadolint.yaml", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_images_are_given_every_package() -> None:
    """``eddy/`` holds links: a folder that is not copied would leave a link to nothing, and no error at the build."""
    let_through = (ROOT / ".dockerignore").read_text().split()
    for name in ("eddy", *LINKED):
        assert f"!{name}" in let_through
        for file in DOCKERFILES:
            stage = file.read_text().partition(" AS eddy\n")[2].partition("\nFROM ")[0]
            assert f"COPY {name} {name}\n" in stage, f"{file.name} does not copy {name}"


def test_compose_file_follows_the_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [checker, "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_docker_client_reads_the_compose_file() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no 'docker compose' here; the schema check above has read the file")
    command = [docker, "compose", "-f", str(COMPOSE), "--profile", "demo", "--profile", "monitoring", "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_docker_files_name_no_registry() -> None:
    for file in [*DOCKERFILES, COMPOSE, DOCKER / "install-packages.sh"]:
        found = re.findall(r"https?://[^\s'\"]+", file.read_text())
        assert [url for url in found if not url.startswith("http://localhost")] == [], file


def test_services_depend_on_services_with_a_matching_condition(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} depends on {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other}, which has no health check"
            if how["condition"] == "service_completed_successfully":
                assert services[other]["restart"] != "unless-stopped", f"{other} would run again and again"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"]
            assert there, f"{name}: {source} is not there"


def test_every_compose_command_exists_with_its_options(compose: dict[str, Any]) -> None:
    root = get_command(_whole())
    checked = 0
    for name, service in compose["services"].items():
        ours = service["image"].split(":")[0] in OURS
        if not ours or service["command"][0] in FLINKS:
            continue
        words = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(word)) for word in service["command"]]
        command, path, context = root, [], None
        while hasattr(command, "commands"):
            path.append(words.pop(0))
            assert path[-1] in command.commands, f"{name}: eddy {' '.join(path)} does not exist"
            command = command.commands[path[-1]]
        context = command.make_context(" ".join(path), words)  # raises for an unknown option
        assert not context.args
        checked += 1
    assert checked >= 5


def test_compose_defaults_equal_the_settings(compose: dict[str, Any]) -> None:
    values = {key: as_text(value) for key, value in flatten(Settings()) if value is not None}
    names = {environment_name(key): key for key in values} | ORIGINAL_VARIABLES
    written = compose["x-settings"]
    assert set(ORIGINAL_VARIABLES) <= set(written)
    for variable, text in written.items():
        assert variable in names, f"{variable} is no setting"
        default = re.fullmatch(r"\$\{(\w+):-([^}]*)\}", str(text))
        if default:
            assert default[1] == variable
            assert default[2].lower() == values[names[variable]].lower().removesuffix(".0"), variable


def test_image_paths_match_the_commands() -> None:
    from eddy.flink_job.client import submission

    text = (DOCKER / "job.Dockerfile").read_text()
    assert submission.IMAGE_PYTHON.startswith("/opt/eddy/venv/")
    assert f"COPY flink_job/main.py {submission.IMAGE_SCRIPT}" in text
    assert json.dumps([submission.IMAGE_PYTHON, "-m", "eddy.cli"]) in COMPOSE.read_text()


def test_every_service_is_hardened(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["logging"]["options"] == {"max-size": "20m", "max-file": "3"}, name
        assert not service.keys() & {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}, name
        assert not any("docker.sock" in str(volume) for volume in service.get("volumes", [])), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} listens on all addresses"


def test_only_flink_and_who_must_reach_it_are_in_its_network(compose: dict[str, Any]) -> None:
    networks = {name: set(service["networks"]) for name, service in compose["services"].items()}
    inside = {name for name, several in networks.items() if "flink" in several}
    assert inside == {"jobmanager", "taskmanager", "job", "dashboard", "prometheus"}
    assert compose["networks"]["flink"] == {"internal": True}
    assert not any("ports" in compose["services"][name] for name in ("jobmanager", "taskmanager", "job"))
    assert networks["grafana"] == {"metrics"}
    assert networks["prometheus"] == {"metrics", "flink"}, "it has no business with Kafka and Redis"
    for name, service in compose["services"].items():
        for other in service.get("depends_on", {}):
            assert networks[name] & networks[other], f"{name} cannot reach {other}"


def test_each_service_is_given_no_secrets_but_its_own(compose: dict[str, Any]) -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "*.env" in ignored
    for name, service in compose["services"].items():
        files = {Path(entry["path"]).name for entry in service.get("env_file", [])}
        assert all(entry["required"] is False for entry in service.get("env_file", []))
        for file in files - {"eddy.env"}:
            assert name in SECRETS_OF[file], f"{name} is given the secrets of {SECRETS_OF[file]}"
    given = {file: {n for n, s in compose["services"].items() if file in str(s.get("env_file"))} for file in SECRETS_OF}
    assert given == SECRETS_OF


def test_images_of_others_are_named_by_version_and_digest(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values()]
    for file in DOCKERFILES:
        images += re.findall(r"^ARG \w+_IMAGE=(\S+)$", file.read_text(), flags=re.MULTILINE)
    others = [image for image in images if image.split(":")[0] not in OURS]
    assert len(others) == 7
    assert [image for image in others if not DIGEST.fullmatch(image)] == []
    assert len({image for image in others if image.startswith("python:")}) == 1, "both images have the same Python"


def test_nobody_logs_in_to_grafana_and_redis_evicts_nothing(compose: dict[str, Any]) -> None:
    settings = compose["services"]["grafana"]["environment"]
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in settings
    words = compose["services"]["redis"]["command"]
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert words[words.index("--maxmemory") + 1] == "${REDIS_MEMORY:-1gb}"


def test_flink_settings_exist_in_flink(compose: dict[str, Any]) -> None:
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", compose["x-flink"]["environment"]["FLINK_PROPERTIES"])
    properties = yaml.safe_load(text)
    assert unknown_options(properties) == []


def unknown_options(properties: dict[str, Any]) -> list[str]:
    """Keys whose text is in no class of the Flink distribution that names options."""
    import zipfile

    from eddy.stack.jars import flink_home

    jars = [*(flink_home() / "lib").glob("flink-dist-*.jar"), *(flink_home() / "opt").glob("flink-python-*.jar")]
    text = b""
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            names = [n for n in archive.namelist() if re.search(r"org/apache/flink/.*Options?(\$\w+)?\.class$", n)]
            text += b"\0".join(archive.read(name) for name in names)
    own = ("metrics.reporter.",)  # named by the user
    return [key for key in properties if not key.startswith(own) and key.encode() not in text]


def _whole() -> Any:
    """The command line with all its groups."""
    import importlib

    import typer

    app = typer.Typer()
    for name in command_line.COMMANDS:
        importlib.import_module(f"eddy.cli.{name}").register(app)
    return app
