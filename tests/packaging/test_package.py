from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import eddy
from tests.packaging.conftest import run

pytestmark = pytest.mark.slow  # builds wheels and installs them into new environments
PACKAGES = ("eddy", "models", "flink_job", "training", "producers", "dashboard", "stack", "cli")


def outside() -> dict[str, str]:
    """The environment without what a checkout, or the stack of other tests, has put into it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("EDDY_", "FLINK_", "PYTHON"))}


def test_wheel_holds_all_packages_and_data_files(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name.startswith(f"eddy-{eddy.__version__}-")
    wanted = {f"{package}/py.typed" for package in PACKAGES}
    wanted |= {"stack/pom.xml", "flink_job/jvm/src/eddy/flink/Pipeline.java", "dashboard/assets/eddy.css"}
    wanted |= {"training/evaluation/report/templates/report.html.j2"}
    assert wanted - names == set()
    others = {name.split("/")[0] for name in names} - set(PACKAGES)
    assert others == {f"eddy-{eddy.__version__}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_source_distribution_holds_the_build_files(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    wanted = {
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "stack/pom.xml",
    }
    assert wanted - names == set()


def test_command_runs_without_extras(installed: Callable[[str], Path], tmp_path: Path) -> None:
    command = installed("") / "eddy"
    env = outside()
    assert run(command, "--version", cwd=tmp_path, env=env) == f"eddy {eddy.__version__}\n"
    assert "kafka.bootstrap_servers" in run(command, "config", "show", cwd=tmp_path, env=env)
    for words in ("produce csv", "job submit", "train", "alerts tail", "dashboard"):
        assert "Usage" in run(command, *words.split(), "--help", cwd=tmp_path, env=env)


def test_missing_extra_is_named(installed: Callable[[str], Path], tmp_path: Path) -> None:
    command = installed("") / "eddy"
    points = "".join(f"a,2025-01-01T{k // 60:02}:{k % 60:02}:00Z,{k % 7}\n" for k in range(200))
    (tmp_path / "data.csv").write_text(f"series,time,value\n{points}")
    train = ["train", "--detector", "zscore", "--data", "data.csv", "--interval", "1m", "--out", "m"]
    for words, extra in (train, "train"), (["dashboard"], "dashboard"), (["job", "submit"], "job"):
        done = subprocess.run(
            [command, *words], cwd=tmp_path, env=outside(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert f"eddy[{extra}]" in done.stderr.splitlines()[-1], done.stderr


def test_installed_package_is_typed(installed: Callable[[str], Path], tmp_path: Path) -> None:
    """A user's type checker finds Eddy's types."""
    python = installed("") / "python"
    (tmp_path / "use.py").write_text(
        "from eddy.settings import Settings\nx: str = Settings().kafka.request_timeout_ms\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(python), "use.py"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'expression has type "int"' in done.stdout, done.stdout + done.stderr
