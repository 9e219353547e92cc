"""Read what a savepoint says about the settings that it was written with, before a job is started from it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eddy.errors import SettingsError
from eddy.settings import JobSettings

_SHARDS = re.compile(rb"eddy\.shards=(\d+)")  # the name of a state, see flink_job/jvm/…/KeptSettings.java


def check_savepoint(path: str, job: JobSettings) -> None:
    """Refuse a savepoint or checkpoint of a job with other shards.

    A path that cannot be read from here (another file system, a cluster's own disk) passes: the job itself checks once
    more when it starts. So does a savepoint of an earlier version, which does not say.

    Raises:
        SettingsError: the savepoint was written with another value of ``job.shards``.
    """
    found = _SHARDS.search(_metadata(path))
    if found is not None and int(found[1]) != job.shards:
        shards = int(found[1])
        message = f"job.shards: found {job.shards}, expected {shards}, which {path} was written with"
        raise SettingsError(f"{message}; submit with --set job.shards={shards}, or without --from")


def _metadata(path: str) -> bytes:
    parts = urlsplit(path)
    if not path or parts.scheme not in ("", "file"):
        return b""
    place = Path(unquote(parts.path))
    try:
        return (place / "_metadata" if place.is_dir() else place).read_bytes()
    except OSError:
        return b""
