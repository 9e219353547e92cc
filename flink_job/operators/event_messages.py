"""Encode messages for the events topic: bounded, since they repeat texts that came from outside."""

from __future__ import annotations

import json
from typing import Any

_MAX_CHARACTERS = 2000  # of a text: a reason names what was found, a name may be whatever a message key holds


def event_message(job: str, now: int, fields: dict[str, Any]) -> tuple[bytes | None, bytes]:
    """Return key (the model's name, where it is about one) and value of a message.

    Args:
        job: name of the job.
        now: wall clock, epoch ms.
        fields: of the event.

    Examples:
        >>> event_message("eddy", 5, {"event": "model-withdrawn", "model": "pumps"})
        (b'pumps', b'{"schema": 1, "ts": 5, "job": "eddy", "event": "model-withdrawn", "model": "pumps"}')
    """
    short = {name: _short(found) if isinstance(found, str) else found for name, found in fields.items()}
    key = short.get("model")
    value = json.dumps({"schema": 1, "ts": now, "job": job, **short}).encode()
    return None if key is None else key.encode(errors="replace"), value


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"
