"""Report limits of memory on the events topic: when one is reached, and once an hour while it stays so."""

from __future__ import annotations

from typing import Any

AGAIN_MS = 3_600_000


class LimitEvents:
    """Remember which limits were reported when; each is reported by itself."""

    def __init__(self) -> None:
        self._reported: dict[str, int] = {}

    def reached(self, limit: str, reason: str, now: int, **fields: str) -> list[dict[str, Any]]:
        """Make the fields of an event for the events topic, at most one.

        Args:
            limit: the setting, or what else bounds it.
            reason: what happened, and what to do.
            now: any clock, as long as it is the same one, ms.
            fields: further fields of the event, such as ``model``.
        """
        about = f"{limit} {fields.get('model', '')}"
        if now - self._reported.get(about, -AGAIN_MS) < AGAIN_MS:
            return []
        self._reported[about] = now
        return [{"event": "limit-reached", "limit": limit, "reason": reason, **fields}]
