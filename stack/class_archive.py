"""Archive the classes that the stack's JVMs load: a JVM maps its archive instead of reading and checking jars.

A JVM writes its archive when it ends in order, where there is none yet for the same jars and the same Java; that makes
one end of the stack some seconds longer. The archives lie beside the jars. They only save time: a JVM that finds its
archive unfit, for whatever reason, goes on without it. docs/decisions/069-jvm-archives.md has the figures.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from eddy.stack import whole_files
from eddy.stack.paths import home

_CHECK_SECONDS = 60
#: where JVMs write, in the stack's data folder: apart from the archives in use, for that folder can be their home, too
_WRITTEN = "classes-written"


def options(name: str, kind: str, class_path: str, folder: Path) -> list[str]:
    """Return JVM options that use the archive if there is one, else write it.

    Args:
        name: of the process.
        kind: processes of one kind share an archive.
        class_path: as the JVM gets it.
        folder: the stack's data folder.
    """
    if archive := _present(kind, _key(class_path)):
        return [f"-XX:SharedArchiveFile={archive}"]
    written = folder / _WRITTEN / f"{name}.jsa"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.unlink(missing_ok=True)
    whole_files.write(written.with_suffix(".json"), json.dumps({"kind": kind, "class_path": class_path}))
    return [f"-XX:ArchiveClassesAtExit={written}", "-Xlog:cds*=error"]  # it names each class that it leaves out


def keep(folder: Path, *, all_loaded: bool) -> None:
    """Move what ended JVMs of a stack wrote to where the next ones read it, if it is whole.

    Args:
        folder: the stack's data folder.
        all_loaded: whether the JVMs did all their work; incomplete archives are removed.
    """
    for written in sorted((folder / _WRITTEN).glob("*.jsa")):
        # a full disk, a folder that is not ours, a file that somebody removed: the next start is as slow as this one
        with contextlib.suppress(OSError, ValueError, KeyError):
            description = json.loads(written.with_suffix(".json").read_text())
            kind, class_path = description["kind"], description["class_path"]
            key = _key(class_path)
            if all_loaded and _present(kind, key) is None and _fits(written, class_path):
                _put(written, kind, key)
        with contextlib.suppress(OSError):
            written.unlink()


def _present(kind: str, key: str) -> Path | None:
    """Return the archive of that name if it has the size that its name states: Java crashes on a truncated one."""
    for file in (home() / "classes").glob(f"{kind}-{key}-*.jsa"):
        if file.stem.endswith(f"-{file.stat().st_size}"):
            return file
    return None


def _put(written: Path, kind: str, key: str) -> None:
    size = written.stat().st_size
    target = home() / "classes" / f"{kind}-{key}-{size}.jsa"
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(f".{os.getpid()}")
    try:
        with written.open("rb") as source, beside.open("wb") as sink:
            shutil.copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
        for other in target.parent.glob(f"{kind}-*.jsa"):  # of jars and a Java that have been replaced
            other.unlink()
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _fits(archive: Path, class_path: str) -> bool:
    """Return whether Java accepts an archive; it refuses the one that a JVM left when it was killed while writing."""
    check = ["-Xshare:on", "-XX:+VerifySharedSpaces", "-XX:-CreateCoredumpOnCrash", "-XX:ErrorFile=/dev/null"]
    command = ["java", *check, f"-XX:SharedArchiveFile={archive}", "-cp", class_path, "-version"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=_CHECK_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _key(class_path: str) -> str:
    """Return a hash of the jars as they are now, and of the Java that reads them."""
    java = shutil.which("java")
    digest = hashlib.sha256()
    for file in [*class_path.split(":"), *([java] if java else [])]:
        path = Path(file).resolve()
        found = path.stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
