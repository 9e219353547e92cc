"""Sign and check manifests, so that only those who have the key can publish models.

The signature is HMAC-SHA-256 over the manifest's canonical JSON without the signature. The manifest carries the
artifact's checksum, so the signature covers the artifact too, wherever it is stored. Publishers and the job share the
key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, replace

from eddy.errors import ModelError, SettingsError
from eddy.models.artifacts.manifest import Manifest

_MIN_KEY_BYTES = 16


def sign(manifest: Manifest, key: str) -> Manifest:
    """Return the manifest with its signature.

    Raises:
        SettingsError: the key is too short to be safe.
    """
    return replace(manifest, signature=_signature(manifest, key))


def check(manifest: Manifest, key: str) -> None:
    """Refuse a manifest that is not signed with this key.

    Raises:
        ModelError: the signature is missing or made with another key.
    """
    where = f"model {manifest.name} version {manifest.version}"
    if not manifest.signature:
        raise ModelError(f"{where}: not signed, and registry.signing_key is set; publish it with the key")
    if not hmac.compare_digest(manifest.signature.encode(), _signature(manifest, key).encode()):
        raise ModelError(f"{where}: its signature does not fit registry.signing_key; another key, or it was changed")


def _signature(manifest: Manifest, key: str) -> str:
    if len(key.encode()) < _MIN_KEY_BYTES:
        raise SettingsError(f"registry.signing_key: {len(key.encode())} bytes; expected at least {_MIN_KEY_BYTES}")
    # Empty fields are left out, so that new fields of a later version do not break older signatures.
    fields = {name: value for name, value in asdict(manifest).items() if value and name != "signature"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
