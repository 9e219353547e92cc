"""Write the stack's own files so that a reader finds the old content or the new one, whole, after a crash too."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path


def write(file: Path, text: str, *, private: bool = False) -> None:
    """Replace a file's content; its folder is made if it is missing.

    Args:
        file: the file.
        text: its new content.
        private: only this user may read it, from the moment on at which it exists.

    Raises:
        OSError: it cannot be written; the old content is still there.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{uuid.uuid4().hex[:12]}")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write(text)
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # else a crash of the machine could undo the renaming
    finally:
        os.close(folder)
