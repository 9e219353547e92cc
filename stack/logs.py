"""Bound the logs of programs that do not rotate them: Redis's, and what each process prints.

Java's logs rotate by themselves (log4j2). 'eddy up' and 'eddy status' look, and 'eddy up --watch' each second.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

LARGEST_BYTES = 20 * 1024 * 1024
KEPT = 3


def rotate(folder: Path) -> None:
    """Copy each log that has grown too large to ``<name>.1`` (older ones to ``.2`` …) and begin it anew.

    The file stays the same one: its writers append, and go on at its beginning.
    """
    for log in (folder / "redis.log", *folder.glob("*.out")):
        with contextlib.suppress(OSError):  # full disks are the doctor's matter
            if log.stat().st_size > LARGEST_BYTES:
                for number in range(KEPT - 1, 0, -1):
                    older = log.with_name(f"{log.name}.{number}")
                    if older.exists():
                        older.replace(log.with_name(f"{log.name}.{number + 1}"))
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
                with log.open("r+b") as file:
                    file.truncate(0)
