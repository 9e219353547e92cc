"""Read artifacts from the URIs in manifests, after checking each URI against the settings."""

from __future__ import annotations

import os
import stat
from urllib.parse import unquote, urlsplit

import fsspec

from eddy.errors import ModelError
from eddy.models.artifacts.artifact import MAX_ARTIFACT_BYTES
from eddy.settings import RegistrySettings


def check_uri(uri: str, settings: RegistrySettings) -> str:
    """Check a URI against the settings, and return it in the form to open.

    Refuses other schemes, chained ones (``zip::…``, with which fsspec opens anything), credentials inside, ``..``, and
    paths that are not regular files: a pipe would block the job for ever.

    Raises:
        ModelError: the URI is refused; says what was found and what was expected.
    """
    parts = urlsplit(uri)
    scheme = parts.scheme or "file"
    schemes = _items(settings.uri_schemes)
    if not uri or scheme not in schemes or "::" in uri:
        raise ModelError(f"uri {uri!r}: expected one of {', '.join(schemes)} (registry.uri_schemes)")
    if "@" in parts.netloc:
        raise ModelError("uri with credentials inside: expected none; they belong in the job's environment")
    if ".." in unquote(parts.path).replace("\\", "/").split("/"):
        raise ModelError(f"uri {uri!r}: expected a path without '..'")
    if scheme == "file" and parts.netloc not in ("", "localhost"):
        raise ModelError(f"uri {uri!r}: expected file:///path, found the host {parts.netloc!r}")
    place = f"file://{_regular_file(unquote(parts.path), uri)}" if scheme == "file" else uri
    prefixes = _items(settings.uri_prefixes)
    if prefixes and not any(place.startswith(prefix) for prefix in prefixes):
        raise ModelError(f"uri {uri!r}: expected one that starts with {', '.join(prefixes)} (registry.uri_prefixes)")
    return place


def read_artifact(uri: str, settings: RegistrySettings) -> bytes:
    """Read a URI's content, after asking for its size to refuse one that is too large.

    Raises:
        ModelError: a URI that is not allowed, too large, or unreadable.
    """
    place = check_uri(uri, settings)
    try:
        files, path = fsspec.core.url_to_fs(place)
        size = files.size(path)
        if size is None or size <= MAX_ARTIFACT_BYTES:
            with files.open(path, "rb") as file:
                content = bytes(file.read(MAX_ARTIFACT_BYTES + 1))
            size = len(content)
    except Exception as error:  # fsspec passes on whatever its libraries raise
        raise ModelError(f"uri {uri!r} cannot be read: {type(error).__name__}: {error}") from None
    if size > MAX_ARTIFACT_BYTES:
        raise ModelError(f"uri {uri!r}: {size} bytes; at most {MAX_ARTIFACT_BYTES} are accepted")
    return content


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _regular_file(path: str, uri: str) -> str:
    """Resolve links to the file itself: a link must not lead out of the allowed folders."""
    real = os.path.realpath(path)
    try:
        mode = os.stat(real).st_mode
    except OSError as error:
        raise ModelError(f"uri {uri!r} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise ModelError(f"uri {uri!r}: expected a regular file")
    return real
