"""Archives of the classes that the stack's JVMs load: a JVM that has one maps it in place of reading and checking jars.

A JVM writes its archive when it ends in order, where there is none yet for the same jars and the same Java; that makes
one end of the stack some seconds longer. The archives lie beside the jars. They only save time: a JVM that finds its
archive unfit, for whatever reason, goes on without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from stack.paths import home

_CHECK_SECONDS = 60


def options(name: str, kind: str, class_path: str, folder: Path) -> list[str]:
    """JVM options: to use the archive if there is one, else to write it.

    Args:
        name: of the process.
        kind: processes of one kind share an archive.
        class_path: as the JVM gets it.
        folder: the stack's data folder.
    """
    target = home() / "classes" / f"{kind}-{_key(class_path)}.jsa"
    if target.exists():
        return [f"-XX:SharedArchiveFile={target}"]
    written = folder / "classes" / f"{name}.jsa"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.unlink(missing_ok=True)
    written.with_suffix(".json").write_text(json.dumps({"target": str(target), "class_path": class_path}))
    return [f"-XX:ArchiveClassesAtExit={written}", "-Xlog:cds*=error"]  # it names each class that it leaves out


def keep(folder: Path, *, all_loaded: bool) -> None:
    """Put what ended JVMs of a stack wrote where the next ones look for it, if it is whole.

    Args:
        folder: the stack's data folder.
        all_loaded: whether they did all that they are there for; what is written by others is thrown away.
    """
    for written in sorted((folder / "classes").glob("*.jsa")):
        wanted = json.loads(written.with_suffix(".json").read_text())
        target = Path(wanted["target"])
        with contextlib.suppress(OSError):  # a full disk, a folder that is not ours: the next start is as slow as this
            if all_loaded and not target.exists() and _fits(written, wanted["class_path"]):
                _put(written, target)
            written.unlink()


def _put(written: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(f".{written.stat().st_ino}")
    shutil.copyfile(written, beside)
    beside.replace(target)
    kind = target.name.rsplit("-", 1)[0]
    for other in target.parent.glob(f"{kind}-*.jsa"):  # of jars and a Java that have been replaced
        if other != target:
            other.unlink()


def _fits(archive: Path, class_path: str) -> bool:
    """Whether Java takes it; one that was killed while it wrote leaves what it does not."""
    command = ["java", "-Xshare:on", f"-XX:SharedArchiveFile={archive}", "-cp", class_path, "-version"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=_CHECK_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _key(class_path: str) -> str:
    """Of the jars as they are now, and of the Java that reads them."""
    java = shutil.which("java")
    digest = hashlib.sha256()
    for file in [*class_path.split(":"), *([java] if java else [])]:
        path = Path(file).resolve()
        found = path.stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
