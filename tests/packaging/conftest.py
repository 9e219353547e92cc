"""Build Eddy's wheels and install them into empty environments."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eddy.stack.paths import ROOT


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed; return its output."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheels and the source distributions, built from what git would commit."""
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "wheels.build", target, cwd=ROOT)
    return target


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that installs the wheels with extras into a new environment, whose bin folder it returns."""
    made: dict[str, Path] = {}

    def install(extras: str = "") -> Path:
        if extras not in made:
            folder = tmp_path_factory.mktemp("venv")
            uv = [sys.executable, "-m", "uv"]
            run(*uv, "venv", "-q", "--python", sys.executable, folder, cwd=folder)
            (eddy,), (client,) = built.glob("eddy_anomaly-*.whl"), built.glob("eddy_client-*.whl")
            # Of the lock's versions, which setting up the checkout has put into uv's cache; but for Redis' client,
            # which apache-beam, where it comes along, wants older than the lock (tool.uv in pyproject.toml).
            lock = re.split(r"^(?=[A-Za-z0-9])", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
            constraints = folder / "constraints.txt"
            constraints.write_text("".join(entry for entry in lock if not entry.startswith("redis==")))
            into: list[str | Path] = ["--python", folder / "bin" / "python", "-c", constraints]
            run(*uv, "pip", "install", "-q", *into, f"eddy-anomaly[{extras}] @ {eddy.as_uri()}", client, cwd=folder)
            made[extras] = folder / "bin"
        return made[extras]

    return install
