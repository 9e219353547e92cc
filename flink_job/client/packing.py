"""Pack the Python environment of the job into one archive, for workers that have nothing but Python 3.11.

A virtual environment cannot be moved: its interpreter is a link to this machine's. The archive therefore holds the
installed packages as they are here, in the versions that are here, and a launcher that finds the worker's own Python.
"""

from __future__ import annotations

import importlib
import stat
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from eddy import CLIENT_DISTRIBUTION, DISTRIBUTION, install_hint
from eddy.errors import StackError

EXTRA = "job"
PACKAGES = ("eddy", "eddy.models", "eddy.inputs", "eddy.flink_job")  # what runs on a worker
SITE = "site-packages"
_OURS = {DISTRIBUTION, CLIENT_DISTRIBUTION}
_LEFT_OUT = {"tests", "__pycache__"}
_JAVA = ".jar"  # a worker's Flink has its own
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same content gives the same archive
_FAST = 1  # of deflate's levels: half the size already, in a third of the time

LAUNCHER = f"""\
#!/bin/sh
# Python 3.11 of this machine, with the packages beside this file.
here="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$here/{SITE}${{PYTHONPATH:+:$PYTHONPATH}}"
for python in python3.11 python3 python; do
  if command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    exec "$python" "$@"
  fi
done
echo "eddy: no Python 3.11 on this worker's PATH" >&2
exit 127
"""


def pack(target: Path) -> list[str]:
    """Write the archive.

    Args:
        target: a ``.zip`` file.

    Returns:
        The packages in it, ``name==version``.

    Raises:
        StackError: a package that the job needs is not installed here.
    """
    found = _needed()
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive:
        _add(archive, "bin/python", LAUNCHER.encode(), executable=True)
        files = dict(_own_files())
        for package in found.values():
            files.update(_files(package))
        for name in sorted(files):
            path = files[name]
            _add(archive, f"{SITE}/{name}", path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
    partial.replace(target)
    return sorted(f"{package.name}=={package.version}" for package in found.values())


def _needed() -> dict[str, Distribution]:
    """List what the job's extra needs, directly or not, as it is installed here."""
    found: dict[str, Distribution] = {}
    waiting = [(DISTRIBUTION, EXTRA)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            raise StackError(f"the Python package {name} is not installed: {install_hint(EXTRA)}") from None
        if name not in _OURS:  # our own packages are taken from where they are imported, be it a checkout
            found[name] = package
        for text in package.requires or ():
            wanted = Requirement(text)
            if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
                continue
            for step in {(wanted.name.lower(), part) for part in (*wanted.extras, "")} - seen:
                seen.add(step)
                waiting.append(step)
    return found


def _files(package: Distribution) -> Iterator[tuple[str, Path]]:
    for file in package.files or ():
        if ".." not in file.parts and not _LEFT_OUT & set(file.parts) and file.suffix != _JAVA:
            path = Path(str(package.locate_file(file)))
            if path.is_file():
                yield file.as_posix(), path


def _own_files() -> Iterator[tuple[str, Path]]:
    for name in PACKAGES:
        folder = Path(str(importlib.import_module(name).__file__)).parent
        # what lies beside the vocabulary in ``eddy`` is a package of its own, of which a worker needs three
        for path in folder.glob("*.py") if name == "eddy" else folder.rglob("*.py"):
            yield f"{name.replace('.', '/')}/{path.relative_to(folder).as_posix()}", path


def _add(archive: zipfile.ZipFile, name: str, content: bytes, executable: bool = False) -> None:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    archive.writestr(entry, content)
