"""Fetch with Maven what only tests need, once for each version of its pom."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from eddy.stack.shipped_jars import digest


def fetched(folder: Path, pom: Path, goal: str) -> bool:
    """Run a goal that fills a folder; return False if the folder was filled already."""
    stamp = folder / ".stamp"
    if stamp.exists() and stamp.read_text() == digest([pom]):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    options = ["-q", "-B", "--strict-checksums", "-f", str(pom), f"-Deddy.folder={folder}"]
    done = subprocess.run(["mvn", *options, goal], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    stamp.write_text(digest([pom]))
    return True
