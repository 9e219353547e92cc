"""Group incidents that many series share, so that one cause notifies people once.

Incidents belong together if they start in the same bucket of event time. Buckets are ``group_window_ms`` long and
centred on multiples of it, since causes and samples tend to come at round times. A bucket in which enough distinct
series have incidents becomes a group. The group's id depends on the bucket alone, so the same group has the same id
whatever the order in which the shards' incidents arrive, and after a replay or a restart.

Fails where one cause is spread over the border of two buckets (each side counts by itself) or more slowly than a bucket
lasts; and where so many series exist that unrelated incidents share a bucket: raise ``group_series`` then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from eddy.alert import LISTED_MEMBERS, Alert, AlertState, group_id, severity_level
from eddy.alert_settings import AlertSettings

_GROWTH = 4  # a group sends an update when it has so many times more series than at its last message
_MAX_UPDATES = 2
_RETAIN_MS = 86_400_000  # event time for which closed incidents may still join a group with a shard that is behind
_MAX_BUCKETS = 10_000
_MAX_MEMBERS = 100_000  # in all buckets together; 50 MB
_KEPT = {one.name for one in fields(Alert)} - {"window"}  # fields kept of a leading message


@dataclass
class GroupMember:
    """Hold the part of an incident that its group needs."""

    series: str
    severity: int
    end: int
    points: int
    open: bool


@dataclass
class TimeBucket:
    """Hold the incidents that started in one bucket of event time, and the state of the group's messages.

    Attributes:
        members: by incident id.
        leading: the last message of the most severe incident, without its window.
        told: number of series at the group's last message; 0: none was sent.
        word: severity level at the last message; ``updates``: how many were sent; ``closed``: the last was sent.
        names: the distinct series; ``opened``: how many of the incidents are open. Both are derived from the members.
    """

    members: dict[str, GroupMember] = field(default_factory=dict)
    leading: dict[str, Any] = field(default_factory=dict)
    told: int = 0
    word: str = ""
    updates: int = 0
    closed: bool = False
    names: set[str] = field(default_factory=set)
    opened: int = 0

    def to_json(self) -> bytes:
        """Return the JSON for keyed state."""
        kept = {name: value for name, value in vars(self).items() if name not in ("names", "opened")}
        return json.dumps(kept | {"members": {number: vars(one) for number, one in self.members.items()}}).encode()

    @classmethod
    def from_json(cls, value: bytes) -> TimeBucket:
        """Rebuild a bucket from the result of :meth:`to_json`; unknown fields are ignored."""
        raw = {name: item for name, item in json.loads(value).items() if name in cls.__dataclass_fields__}
        members = {number: GroupMember(**one) for number, one in raw["members"].items()}
        follows = {"names": {m.series for m in members.values()}, "opened": sum(m.open for m in members.values())}
        return cls(**raw | {"members": members} | follows)


class IncidentGrouper:
    """Follow all alerts of a job and report groups.

    Args:
        settings: ``group_series`` and ``group_window_ms``.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._min_series, self._bucket_of = settings.group_series, settings.bucket_of
        self.buckets: dict[int, TimeBucket] = {}  # by start
        self._changed: set[int] = set()

    def take(self, alerts: Iterable[Alert], now: int) -> list[Alert]:
        """Take alerts in order of arrival; return the messages about groups.

        Duplicates change nothing. Suppressed incidents do not join a group, since they notify nobody anyway.

        Args:
            alerts: those of incidents are used, others ignored.
            now: wall clock, epoch ms.
        """
        messages: list[Alert] = []
        for alert in alerts:
            if not self._min_series or alert.kind != "incident" or alert.suppressed is not None:
                continue
            start = self._bucket_of(alert.start)
            if start not in self.buckets:
                self._forget(start)
                self.buckets[start] = TimeBucket()
            bucket = self.buckets[start]
            self._changed.add(start)
            _join(bucket, alert)
            state = self._news(bucket)
            if state is not None:
                messages.append(self._message(start, bucket, state, now))
            if bucket.told and not bucket.closed and not bucket.opened:
                bucket.closed = True
                messages.append(self._message(start, bucket, "closed", now))
        return messages

    def changes(self) -> dict[str, bytes | None]:
        """Return the entries of keyed state that changed since the last call; None: the entry is to be removed."""
        entries = {
            str(start): self.buckets[start].to_json() if start in self.buckets else None for start in self._changed
        }
        self._changed.clear()
        return entries

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Restore the entries that :meth:`changes` returned."""
        self.buckets = {int(start): TimeBucket.from_json(value) for start, value in sorted(entries.items())}

    def _news(self, bucket: TimeBucket) -> AlertState | None:
        """Choose the message to send after an incident has joined or changed, and note it as sent; None: no message."""
        count, level = len(bucket.names), severity_level(int(bucket.leading["severity"]))
        if bucket.closed or count < self._min_series:
            return None
        state: AlertState | None = None
        if not bucket.told:
            state = "open"
        elif bucket.updates < _MAX_UPDATES and (count >= _GROWTH * bucket.told or level != bucket.word):
            bucket.updates += 1
            state = "update"
        if state is not None:
            bucket.told, bucket.word = count, level
        return state

    def _message(self, start: int, bucket: TimeBucket, state: AlertState, now: int) -> Alert:
        number = group_id(start)
        ranked = sorted(bucket.members.items(), key=lambda item: (-item[1].severity, item[1].series, item[0]))
        leading = Alert.from_json(json.dumps(bucket.leading).encode())
        return replace(
            leading,
            id=number,
            series=f"group:{number}",
            state=state,
            start=int(bucket.leading["first"]),
            end=max(member.end for member in bucket.members.values()),
            detected_at=now,
            points=sum(member.points for member in bucket.members.values()),
            group=number,
            kind="group",
            members=tuple(
                {"series": one.series, "id": name, "severity": one.severity} for name, one in ranked[:LISTED_MEMBERS]
            ),
            member_count=len(bucket.names),
        )

    def _forget(self, coming: int) -> None:
        """Drop buckets that nothing can join any more, the oldest first; ``coming`` is added next, however old."""
        newest = max([coming, *self.buckets])
        members = sum(len(bucket.members) for bucket in self.buckets.values())
        for start in sorted(self.buckets):
            too_many = len(self.buckets) >= _MAX_BUCKETS
            crowded = members > _MAX_MEMBERS
            if start >= newest - _RETAIN_MS and not too_many and not crowded:
                break
            if too_many or not self.buckets[start].opened:
                members -= len(self.buckets[start].members)
                del self.buckets[start]
                self._changed.add(start)


def _join(bucket: TimeBucket, alert: Alert) -> None:
    known = bucket.members.get(alert.id)
    closed = alert.state == "closed" or (known is not None and not known.open)  # a duplicate opens nothing again
    bucket.members[alert.id] = GroupMember(
        alert.series,
        max(alert.severity, known.severity if known else 0),
        max(alert.end, known.end if known else alert.end),
        max(alert.points, known.points if known else 0),
        not closed,
    )
    bucket.names.add(alert.series)
    bucket.opened += (not closed) - (known is not None and known.open)
    before = bucket.leading
    first = min(alert.start, int(before.get("first", alert.start)))
    if (alert.severity, alert.id) >= (int(before.get("severity", -1)), str(before.get("id", ""))):
        bucket.leading = {name: value for name, value in vars(alert).items() if name in _KEPT}
    bucket.leading["first"] = first
