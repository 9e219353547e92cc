"""Read from the job's events what it said of a model's version: refused, or that its interval does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def refusal(events: Iterable[Mapping[str, Any]], name: str, version: int, published: int) -> str:
    """Return why a job refused a published version; empty if no event says so.

    Args:
        events: of the events topic, in any order.
        name, version: the version that the registry holds as the current one.
        published: when it was published, epoch ms. What was refused before was another version.

    Examples:
        >>> said = [{"ts": 5, "event": "model-refused", "model": "z", "reason": "damaged"}]
        >>> refusal(said, "z", 2, published=4), refusal(said, "z", 3, published=6)
        ('damaged', '')
    """
    newest, reason = published - 1, ""
    for event in events:
        at, kind = event.get("ts"), event.get("event")
        if not isinstance(at, int) or at <= newest or event.get("model") != name:
            continue
        if kind == "model-refused":
            newest, reason = at, str(event.get("reason") or "no reason given")
        elif kind == "model-loaded" and event.get("version") == version:
            newest, reason = at, ""
    return reason


def off_interval(events: Iterable[Mapping[str, Any]], name: str, version: int) -> str:
    """Return which series of a version come at another interval than it expects; empty if no event says so.

    Args:
        events, name, version: as :func:`refusal` has them.

    Examples:
        >>> said = [{"ts": 5, "event": "interval-mismatch", "model": "z", "version": 2, "reason": "series 'a' has …"}]
        >>> off_interval(said, "z", 2), off_interval(said, "z", 3)
        ("series 'a' has …", '')
    """
    reasons = [
        str(event.get("reason") or "a series has another interval than the model")
        for event in events
        if event.get("event") == "interval-mismatch" and event.get("model") == name and event.get("version") == version
    ]
    return reasons[0] if reasons else ""
