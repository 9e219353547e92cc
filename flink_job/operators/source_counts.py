"""Count what input sources bring: for the topic of their figures, and to notice one that is not for Eddy."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

EVERY_MS = 5_000
WINDOW = 10_000  # records of a source; if more than half of them are dead, letters are counted, not written


@dataclass
class SourceFigures:
    """Count one source in one subtask, since the subtask started.

    Attributes:
        newest: timestamp of the newest record, epoch ms; 0 = none.
        series: different ones, as each reader of the subtask has counted them.
        dead: refused elements by reason.
        muted: whether dead letters are not written, since most records are dead.
    """

    since: int
    records: int = 0
    observations: int = 0
    skipped: int = 0
    newest: int = 0
    series_jvm: int = 0
    series: set[bytes] = field(default_factory=set)
    dead: Counter[str] = field(default_factory=Counter)
    muted: bool = False
    changed: bool = False
    unwritten: int = 0  # letters
    _window_records: int = 0
    _window_dead: int = 0

    def read(self, records: int, dead: int) -> bool | None:
        """Count records, and those of them with something dead.

        Returns:
            True when the source becomes muted, False when it no longer is, None when nothing changes.
        """
        self.records += records
        self._window_records += records
        self._window_dead += dead
        self.changed = self.changed or bool(records or dead)
        if self._window_records < WINDOW:
            return None
        mostly_dead = 2 * self._window_dead > self._window_records
        self._window_records = self._window_dead = 0
        if mostly_dead == self.muted:
            return None
        self.muted = mostly_dead
        return mostly_dead

    def message(self, name: str, topics: list[str], job: str, subtask: int, now: int) -> bytes:
        """Encode the figures for their topic; what was read since the last message is the difference of two."""
        self.changed = False
        fields = {
            "schema": 1, "ts": now, "job": job, "source": name, "topics": topics, "subtask": subtask,
            "since": self.since, "records": self.records, "observations": self.observations, "skipped": self.skipped,
            "dead": dict(self.dead), "unwritten": self.unwritten, "series": self.series_jvm + len(self.series),
            "newest": self.newest or None, "muted": self.muted,
        }  # fmt: skip
        return json.dumps(fields).encode()
