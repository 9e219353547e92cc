"""Keep dead letters by reason, with samples."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eddy.dashboard.sources.history import columns_of, observation
from eddy.dashboard.stores.points import Columns, Growing
from eddy.formats import Format, JsonFormat

_SHOWN_BYTES = 300
_SAMPLES = 20  # newest of each reason
_LATE = "late"
_LATE_SERIES = 1000  # series whose late points are kept
_OWN_FORM = JsonFormat()


@dataclass(frozen=True)
class DeadLetter:
    """Hold one dead letter; ``value`` is shortened and may hold anything."""

    reason: str
    detail: str
    place: str
    at: int
    key: str
    value: str
    size: int


@dataclass(frozen=True)
class DeadLettersView:
    """Hold the dead letters of one moment.

    Attributes:
        reasons: how many by reason, of those that were read.
        samples: the newest by reason, newest first.
        read: how many were read; the topic may hold more.
    """

    reasons: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, tuple[DeadLetter, ...]] = field(default_factory=dict)
    read: int = 0


class DeadLetterStore:
    """Take dead letters from Kafka; belongs to the collector thread.

    Args:
        form: of the observations; JSON if it is not given.
    """

    def __init__(self, form: Format | None = None) -> None:
        self._form = form or JsonFormat()
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, deque[DeadLetter]] = {}
        self._late: dict[str, tuple[tuple[str, ...], Growing]] = {}
        self._view = DeadLettersView()
        self._changed = False

    def put(self, message: Any) -> None:
        """Take a record of the dead-letter topic."""
        headers = {name: value.decode(errors="replace") for name, value in message.headers() or () if value}
        value, key = message.value() or b"", message.key() or b""
        dead_letter = DeadLetter(
            reason=headers.get("reason", "unknown"),
            detail=headers.get("detail", ""),
            place=f"{headers.get('topic', '?')}[{headers.get('partition', '?')}] offset {headers.get('offset', '?')}",
            at=message.timestamp()[1],
            key=key.decode(errors="replace"),
            value=value[:_SHOWN_BYTES].decode(errors="replace") + ("…" if len(value) > _SHOWN_BYTES else ""),
            size=len(value),
        )
        self._counts[dead_letter.reason] += 1
        self._samples.setdefault(dead_letter.reason, deque(maxlen=_SAMPLES)).appendleft(dead_letter)
        self._changed = True
        form = _OWN_FORM if headers.get("form") == "observation" else self._form  # of a topic of 'input': as mapped
        if dead_letter.reason == _LATE and (found := observation(form, value, message.key())) is not None:
            self._keep_late(dead_letter.key, found)

    def late(self, series: str) -> tuple[tuple[str, ...], Columns] | None:
        """Return features and points of a series' observations that came too late to be scored."""
        found = self._late.get(series)
        return None if found is None else (found[0], found[1].columns())

    def view(self) -> DeadLettersView:
        """Return the dead letters as of now; the same object as long as nothing changed."""
        if self._changed:
            self._changed = False
            self._view = DeadLettersView(
                reasons=dict(self._counts.most_common()),
                samples={name: tuple(dead_letters) for name, dead_letters in self._samples.items()},
                read=self._counts.total(),
            )
        return self._view

    def _keep_late(self, series: str, found: tuple[int, Mapping[str, float]]) -> None:
        ts, features, data = columns_of([found])
        known = self._late.get(series)
        if known is None:
            if len(self._late) >= _LATE_SERIES:
                del self._late[next(iter(self._late))]
            known = self._late[series] = (features, Growing(len(features)))
        if known[0] == features:
            known[1].add(ts, data)
