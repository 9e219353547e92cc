"""Fetch a model's artifact from its manifest, or from the URI that the manifest names."""

from __future__ import annotations

from eddy.errors import ModelError
from eddy.models.artifacts import signing
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.uri import read_artifact
from eddy.settings import RegistrySettings


def fetch_artifact(manifest: Manifest, settings: RegistrySettings) -> bytes:
    """Return the artifact's bytes, inline or from its URI, after checking the signature if the settings ask for one.

    Raises:
        ModelUnavailable: the artifact cannot be fetched now, but may be later.
        ModelError: not signed as the settings ask, or a URI that is not allowed, too large, or unreadable.
    """
    if settings.signing_key is not None:
        signing.check(manifest, settings.signing_key.get_secret_value())
    inline = manifest.inline_artifact()
    if inline is not None:
        return inline
    try:
        return read_artifact(manifest.uri, settings)
    except ModelError as error:
        raise type(error)(f"model {manifest.name} version {manifest.version}: {error}") from None
