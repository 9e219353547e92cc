"""Dead letters in the log: a line that says where the record is, for each reason once a minute."""

from __future__ import annotations

import json
import logging
from collections import Counter

log = logging.getLogger(__name__)

EVERY_MS = 60_000


class DeadLetterLog:
    """Logs the first letter of a reason, and after a minute the next with the number of those between."""

    def __init__(self) -> None:
        self._since: Counter[str] = Counter()
        self._logged: dict[str, int] = {}

    def note(
        self, now: int, *, reason: str, detail: str, key: bytes | None, topic: str, partition: int, offset: int
    ) -> None:
        """Count a letter. What comes from outside is quoted as JSON: it cannot make a line of its own."""
        self._since[reason] += 1
        if now - self._logged.get(reason, -EVERY_MS) < EVERY_MS:
            return
        fields = {
            "reason": reason,
            "count": self._since.pop(reason),
            "series": None if key is None else key.decode(errors="replace"),
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "detail": detail,
        }
        self._logged[reason] = now
        log.warning("dead letter %s", " ".join(f"{name}={json.dumps(value)}" for name, value in fields.items()))
