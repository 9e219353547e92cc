"""Incidents that many series share become one group, so that one cause calls people once.

Incidents share their time if they start in the same stretch of event time. Stretches are ``group_window_ms`` long and
centred on multiples of it, since causes and samples tend to come at round times. A stretch in which enough distinct
series have incidents is a group; its id follows from the stretch alone, so whatever the order in which the shards'
incidents arrive, after a replay or a restart, the same group has the same id.

Fails where one cause spreads over a border between two stretches (each side counts by itself) or more slowly than a
stretch takes; and where series are so many that unrelated incidents share a stretch: raise ``group_series`` then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from eddy.alert import LISTED_MEMBERS, Alert, AlertState, group_id, severity_word
from eddy.alert_settings import AlertSettings

_GROWTH = 4  # a group that has so many times more series than when it was last told of is worth an update
_MOST_UPDATES = 2
_RETAIN_MS = 86_400_000  # event time for which closed incidents may still find company from a shard that is behind
_MOST_STRETCHES = 10_000
_MOST_MEMBERS = 100_000  # of all stretches; 50 MB
_KEPT = {one.name for one in fields(Alert)} - {"window"}  # of a leading message


@dataclass
class Member:
    """An incident as far as its group has to know it."""

    series: str
    severity: int
    end: int
    points: int
    open: bool


@dataclass
class Stretch:
    """The incidents that started in one stretch of event time, and what was told of them as a group.

    Attributes:
        members: by incident id.
        leading: the last message of the most severe one, without its window.
        told: number of series at the last message; 0: none was sent.
        word: severity word at the last message; ``updates``: how many were sent; ``closed``: the last was sent.
        names: of its distinct series; ``opened``: how many of the incidents are open. Both follow from the members.
    """

    members: dict[str, Member] = field(default_factory=dict)
    leading: dict[str, Any] = field(default_factory=dict)
    told: int = 0
    word: str = ""
    updates: int = 0
    closed: bool = False
    names: set[str] = field(default_factory=set)
    opened: int = 0

    def to_json(self) -> bytes:
        """For keyed state."""
        kept = {name: value for name, value in vars(self).items() if name not in ("names", "opened")}
        return json.dumps(kept | {"members": {number: vars(one) for number, one in self.members.items()}}).encode()

    @classmethod
    def from_json(cls, value: bytes) -> Stretch:
        """The inverse of :meth:`to_json`; unknown fields are ignored."""
        raw = {name: item for name, item in json.loads(value).items() if name in cls.__dataclass_fields__}
        members = {number: Member(**one) for number, one in raw["members"].items()}
        follows = {"names": {m.series for m in members.values()}, "opened": sum(m.open for m in members.values())}
        return cls(**raw | {"members": members} | follows)


class Grouping:
    """Watches all alerts of a job and tells of groups.

    Args:
        settings: ``group_series`` and ``group_window_ms``.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._least, self._window = settings.group_series, settings.group_window_ms
        self.stretches: dict[int, Stretch] = {}  # by start
        self._changed: set[int] = set()

    def take(self, alerts: Iterable[Alert], now: int) -> list[Alert]:
        """Take alerts in order of arrival; returns the messages on groups.

        Repeats change nothing. Suppressed incidents are no company: nobody is called for them anyway.

        Args:
            alerts: of incidents; others are ignored.
            now: wall clock, epoch ms.
        """
        told: list[Alert] = []
        for alert in alerts:
            if not self._least or alert.kind != "incident" or alert.suppressed is not None:
                continue
            start = (alert.start + self._window // 2) // self._window * self._window
            if start not in self.stretches:
                self._forget(start)
                self.stretches[start] = Stretch()
            stretch = self.stretches[start]
            self._changed.add(start)
            _join(stretch, alert)
            state = self._news(stretch)
            if state is not None:
                told.append(self._told(start, stretch, state, now))
            if stretch.told and not stretch.closed and not stretch.opened:
                stretch.closed = True
                told.append(self._told(start, stretch, "closed", now))
        return told

    def changes(self) -> dict[str, bytes | None]:
        """Entries of keyed state that changed since the last call; None: to be removed."""
        entries = {
            str(start): self.stretches[start].to_json() if start in self.stretches else None for start in self._changed
        }
        self._changed.clear()
        return entries

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Take back what :meth:`changes` gave."""
        self.stretches = {int(start): Stretch.from_json(value) for start, value in sorted(entries.items())}

    def _news(self, stretch: Stretch) -> AlertState | None:
        """What is to be told now that an incident has joined or changed; notes it as told."""
        count, word = len(stretch.names), severity_word(int(stretch.leading["severity"]))
        if stretch.closed or count < self._least:
            return None
        state: AlertState | None = None
        if not stretch.told:
            state = "open"
        elif stretch.updates < _MOST_UPDATES and (count >= _GROWTH * stretch.told or word != stretch.word):
            stretch.updates += 1
            state = "update"
        if state is not None:
            stretch.told, stretch.word = count, word
        return state

    def _told(self, start: int, stretch: Stretch, state: AlertState, now: int) -> Alert:
        number = group_id(start)
        ranked = sorted(stretch.members.items(), key=lambda item: (-item[1].severity, item[1].series, item[0]))
        leading = Alert.from_json(json.dumps(stretch.leading).encode())
        return replace(
            leading,
            id=number,
            series=f"group:{number}",
            state=state,
            start=int(stretch.leading["first"]),
            end=max(member.end for member in stretch.members.values()),
            detected_at=now,
            points=sum(member.points for member in stretch.members.values()),
            group=number,
            kind="group",
            members=tuple(
                {"series": one.series, "id": name, "severity": one.severity} for name, one in ranked[:LISTED_MEMBERS]
            ),
            member_count=len(stretch.names),
        )

    def _forget(self, coming: int) -> None:
        """Drop stretches that nothing can join any more, the oldest first; ``coming`` is added next, however old."""
        newest = max([coming, *self.stretches])
        members = sum(len(stretch.members) for stretch in self.stretches.values())
        for start in sorted(self.stretches):
            too_many = len(self.stretches) >= _MOST_STRETCHES
            crowded = members > _MOST_MEMBERS
            if start >= newest - _RETAIN_MS and not too_many and not crowded:
                break
            if too_many or not self.stretches[start].opened:
                members -= len(self.stretches[start].members)
                del self.stretches[start]
                self._changed.add(start)


def _join(stretch: Stretch, alert: Alert) -> None:
    known = stretch.members.get(alert.id)
    closed = alert.state == "closed" or (known is not None and not known.open)  # a repeat opens nothing again
    stretch.members[alert.id] = Member(
        alert.series,
        max(alert.severity, known.severity if known else 0),
        max(alert.end, known.end if known else alert.end),
        max(alert.points, known.points if known else 0),
        not closed,
    )
    stretch.names.add(alert.series)
    stretch.opened += (not closed) - (known is not None and known.open)
    before = stretch.leading
    first = min(alert.start, int(before.get("first", alert.start)))
    if (alert.severity, alert.id) >= (int(before.get("severity", -1)), str(before.get("id", ""))):
        stretch.leading = {name: value for name, value in vars(alert).items() if name in _KEPT}
    stretch.leading["first"] = first
