"""Find the jars that a wheel brings: a user who submits a job then needs no JDK and no Maven.

Only the standard library is imported: ``setup.py`` runs this file by its path while it builds a wheel.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

_FLINK_JOB = Path(__file__).resolve().parents[1] / "flink_job"
SOURCES = _FLINK_JOB / "jvm" / "src"
FOLDER = _FLINK_JOB / "jvm" / "lib"  # in wheels only: wheels/build.py fills it
POM = Path(__file__).with_name("pom.xml")
_STAMP = "stamp"


def java_sources() -> list[Path]:
    """Return our Java sources."""
    return sorted(SOURCES.rglob("*.java"))


def digest(files: Iterable[Path]) -> str:
    """Return a digest of files' names and contents."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def shipped(folder: Path | None = None) -> list[Path]:
    """Return the jars of the job that lie beside the sources; none if they were made from other sources.

    Args:
        folder: default: the folder that a wheel has them in.
    """
    folder = folder or FOLDER
    stamp = folder / _STAMP
    fits = stamp.exists() and stamp.read_text() == digest([*java_sources(), POM])
    return sorted(folder.glob("*.jar")) if fits else []


def ship(jars: Iterable[Path], folder: Path) -> None:
    """Copy jars that were made from the present sources into a folder, with the stamp that says so."""
    folder.mkdir(parents=True)
    for jar in jars:
        shutil.copy(jar, folder)
    (folder / _STAMP).write_text(digest([*java_sources(), POM]))
