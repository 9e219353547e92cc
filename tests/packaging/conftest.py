"""Build Eddy as a wheel and install it into empty environments."""

from __future__ import annotations

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
    """Build the wheel and the source distribution from what git would commit; return their folder."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    files = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "uv", "build", "-q", "--no-build-isolation", "-o", target, cwd=source)
    return target


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that installs the wheel with extras into a new environment, whose bin folder it returns."""
    made: dict[str, Path] = {}

    def install(extras: str = "") -> Path:
        if extras not in made:
            folder = tmp_path_factory.mktemp("venv")
            uv = [sys.executable, "-m", "uv"]
            run(*uv, "venv", "-q", "--python", sys.executable, folder, cwd=folder)
            wheel = f"eddy[{extras}] @ {next(built.glob('*.whl')).as_uri()}"
            # with the lock's versions, which setting up the checkout has put into uv's cache
            into: list[str | Path] = ["--python", folder / "bin" / "python"]
            run(*uv, "pip", "install", "-q", *into, "-c", ROOT / "requirements.txt", wheel, cwd=folder)
            made[extras] = folder / "bin"
        return made[extras]

    return install
