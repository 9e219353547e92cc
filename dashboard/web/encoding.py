"""Encode components and figures as JSON, and detect whether they have changed since the last answer."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from dash.development.base_component import Component

_WORTH_PACKING = 1400  # bytes: a smaller answer fits one packet as it is
Parts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Body:
    """Hold an encoded answer, to be sent as often as requested. ``tag`` changes when the content does."""

    plain: bytes
    packed: bytes
    tag: str


def encode(parts: Parts) -> Body:
    """Encode the parts of a page for the browser: by component id, properties and a hash of them."""
    pieces, whole = [], blake2b(digest_size=8)
    for name, properties in parts.items():
        content = orjson.dumps(properties, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
        tag = blake2b(content, digest_size=8).hexdigest().encode()
        whole.update(name.encode() + tag)
        pieces.append(b'%s:{"hash":"%s","props":%s}' % (orjson.dumps(name), tag, content))
    plain = b'{"parts":{' + b",".join(pieces) + b"}}"
    packed = gzip.compress(plain, 1) if len(plain) > _WORTH_PACKING else b""
    return Body(plain, packed, whole.hexdigest())


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return value.to_plotly_json()
    if hasattr(value, "tolist"):  # arrays that orjson does not take as they are: not contiguous, or of another type
        return value.tolist()
    message = f"{type(value).__name__} has no JSON form here"
    raise TypeError(message)
