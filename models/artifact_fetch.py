"""Where a model's artifact is fetched from."""

from __future__ import annotations

from urllib.parse import urlsplit

import fsspec

from eddy.errors import ModelError
from models.artifact import MAX_ARTIFACT_BYTES
from models.manifest import Manifest

_ALLOWED_SCHEMES = ("file", "s3", "https")


def fetch_artifact(manifest: Manifest) -> bytes:
    """The artifact's bytes, inline or from its URI.

    Raises:
        ModelError: nothing to fetch, a scheme that is not allowed, too large, or unreadable.
    """
    inline = manifest.inline_artifact()
    if inline is not None:
        return inline
    where = f"model {manifest.name} version {manifest.version}"
    scheme = urlsplit(manifest.uri).scheme or "file"
    if not manifest.uri or scheme not in _ALLOWED_SCHEMES:
        raise ModelError(f"{where}: uri {manifest.uri!r}: expected one of {', '.join(_ALLOWED_SCHEMES)}")
    try:
        with fsspec.open(manifest.uri, "rb") as file:
            content = bytes(file.read(MAX_ARTIFACT_BYTES + 1))
    except (OSError, ImportError, ValueError) as error:
        raise ModelError(f"{where}: uri {manifest.uri!r} cannot be read: {error}") from None
    if len(content) > MAX_ARTIFACT_BYTES:
        raise ModelError(f"{where}: artifact larger than {MAX_ARTIFACT_BYTES} bytes")
    return content
