"""Read options of formats with a schema: files, and what is true or false."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eddy.formats import shown

MAX_SCHEMA_BYTES = 4 * 1024 * 1024


def option_file(options: Mapping[str, Any], name: str) -> bytes | None:
    """Return what is in the file that an option names; None without the option.

    Raises:
        ValueError: it cannot be read, or is too large.
    """
    path = options.get(name)
    if path is None:
        return None
    if not isinstance(path, str) or not path:
        message = f"{name}: found {shown(path)}, expected the path of a file"
        raise ValueError(message)
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_SCHEMA_BYTES + 1)
    except OSError as error:
        message = f"{name}: {path} cannot be read: {error.strerror}"
        raise ValueError(message) from None
    if len(content) > MAX_SCHEMA_BYTES:
        message = f"{name}: {path} has more than {MAX_SCHEMA_BYTES} bytes"
        raise ValueError(message)
    return content


def flag(options: Mapping[str, Any], name: str) -> bool:
    """Return an option that is true or false; false by default.

    Raises:
        ValueError: it is something else.
    """
    found = options.get(name, False)
    if not isinstance(found, bool):
        message = f"{name}: found {shown(found)}, expected true or false"
        raise ValueError(message)
    return found
