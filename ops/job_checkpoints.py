"""Find the checkpoints of the local stack's jobs, and remove those that nobody will need."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection
from pathlib import Path

from eddy.stack.local import Stack

KEPT_JOBS = 5
#: how Flink begins the metadata of a checkpoint
_MAGIC = (0x4960672D).to_bytes(4, "big")
_METADATA = "_metadata"


def complete_checkpoints(stack: Stack, job: str) -> list[str]:
    """Return the URIs of a job's complete checkpoints, the newest first.

    One whose metadata are empty or begin wrongly (a full disk, a crash of the machine) is left out; whether all of it
    can be read shows only when a job is restored from it.
    """
    folder = stack.folder / "flink" / "checkpoints" / job
    found = [path.parent for path in folder.glob(f"chk-*/{_METADATA}") if _begins_well(path)]
    return [path.as_uri() for path in sorted(found, key=_number, reverse=True)]


def remove_old(stack: Stack, needed: Collection[str]) -> list[str]:
    """Remove the checkpoints of jobs that are gone, but for the newest :data:`KEPT_JOBS` of them.

    Args:
        stack: the stack.
        needed: ids of jobs, and URIs of checkpoints, that are kept whatever their age.

    Returns:
        The ids of the jobs whose folders were removed.
    """
    jobs = [path for path in (stack.folder / "flink" / "checkpoints").glob("*") if path.is_dir()]
    others = [path for path in jobs if not any(path.name in one for one in needed)]
    old = sorted(others, key=_changed, reverse=True)[KEPT_JOBS:]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in old if not path.exists()]


def _begins_well(metadata: Path) -> bool:
    with contextlib.suppress(OSError), metadata.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
    return False


def _number(checkpoint: Path) -> int:
    number = checkpoint.name.removeprefix("chk-")
    return int(number) if number.isdecimal() else -1


def _changed(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
