"""Keep what the job reports of its input sources."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_KEPT_SUBTASKS = 1000
_RATE_MS = 60_000  # over which a rate is measured
_LISTED_TOPICS = 20


@dataclass(frozen=True)
class InputSourceView:
    """Hold one source, over all subtasks of the job, since each of them started.

    Attributes:
        topics: names, or a pattern.
        per_second: records; None = not known yet.
        dead: refused elements by reason, the most frequent first.
        unwritten: dead letters that were only counted.
        muted: whether that is so now, since most records are dead.
        newest: timestamp of the newest record, epoch ms; None = none.
        at: of the newest report, epoch ms.
    """

    name: str
    topics: tuple[str, ...]
    per_second: float | None
    records: int
    observations: int
    series: int
    skipped: int
    dead: Mapping[str, int]
    unwritten: int
    muted: bool
    newest: int | None
    at: int


@dataclass
class _Subtask:
    """Hold the newest report of a subtask, and (time, records) of those before."""

    fields: Mapping[str, Any]
    dead: Counter[str]
    before: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=64))

    def per_second(self) -> float | None:
        """Return the records a second of the last minute."""
        newest = self.before[-1]
        first = next((one for one in self.before if newest[0] - one[0] <= _RATE_MS), newest)
        return (newest[1] - first[1]) / (newest[0] - first[0]) * 1000 if newest[0] > first[0] else None


class InputSourceStore:
    """Take reports from Kafka; belongs to the collector thread."""

    def __init__(self) -> None:
        self._subtasks: dict[tuple[str, str, int], _Subtask] = {}
        self._view: tuple[InputSourceView, ...] = ()
        self._changed = False

    def put(self, value: bytes) -> None:
        """Take a message of the topic; what is none is passed over."""
        try:
            fields = json.loads(value)
            key = str(fields["job"]), str(fields["source"]), int(fields["subtask"])
            numbers = {name: int(fields[name]) for name in ("ts", "since", *_COUNTS)}
            numbers["newest"] = int(fields["newest"] or 0)
            dead = Counter({str(reason): int(count) for reason, count in fields["dead"].items()})
            topics = tuple(str(topic) for topic in fields["topics"][:_LISTED_TOPICS])
            muted = bool(fields.get("muted"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return
        known = self._subtasks.get(key)
        if known is None or known.fields["since"] != numbers["since"]:  # it began anew
            if len(self._subtasks) >= _KEPT_SUBTASKS:
                return
            known = self._subtasks[key] = _Subtask({}, dead)
        known.fields = {**numbers, "topics": topics, "muted": muted}
        known.dead = dead
        known.before.append((numbers["ts"], numbers["records"]))
        self._changed = True

    def view(self) -> tuple[InputSourceView, ...]:
        """Return the sources as of now; the same object as long as nothing changed."""
        if self._changed:
            self._changed = False
            names = dict.fromkeys((job, source) for job, source, _ in sorted(self._subtasks))
            self._view = tuple(self._of(job, source) for job, source in names)
        return self._view

    def _of(self, job: str, source: str) -> InputSourceView:
        every = [one for key, one in self._subtasks.items() if key[:2] == (job, source)]
        total = {name: sum(one.fields[name] for one in every) for name in _COUNTS}
        rates = [rate for one in every if (rate := one.per_second()) is not None]
        dead: Counter[str] = sum((one.dead for one in every), Counter())
        return InputSourceView(
            name=source,
            topics=every[-1].fields["topics"],
            per_second=sum(rates) if rates else None,
            records=total["records"],
            observations=total["observations"],
            series=total["series"],
            skipped=total["skipped"],
            dead=dict(dead.most_common()),
            unwritten=total["unwritten"],
            muted=any(one.fields["muted"] for one in every),
            newest=max(one.fields["newest"] for one in every) or None,
            at=max(one.fields["ts"] for one in every),
        )


_COUNTS = ("records", "observations", "series", "skipped", "unwritten")
