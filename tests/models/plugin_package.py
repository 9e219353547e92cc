"""Write a package of somebody else into a folder, with entry points, as pip would install it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def write_package(folder: Path, name: str, files: Mapping[str, str], entry_points: str) -> None:
    """Modules of a package and its metadata; ``entry_points`` as in ``entry_points.txt``."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)


def python(folder: Path, *arguments: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Run Python with the folder's packages and Eddy on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd or folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
