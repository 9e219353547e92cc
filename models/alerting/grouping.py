"""Group incidents that many series share, so that one cause notifies people once.

Incidents belong together if they start in the same bucket of event time. Buckets are ``group_window_ms`` long and
centred on multiples of it, since causes and samples tend to come at round times. A bucket in which enough distinct
series have incidents becomes a group. The group's id depends on the bucket alone, so the same group has the same id
whatever the order in which the shards' incidents arrive, and after a replay or a restart.

Fails where one cause is spread over the border of two buckets (each side counts by itself) or more slowly than a bucket
lasts; and where so many series exist that unrelated incidents share a bucket: raise ``group_series`` then.

Memory is bounded: beyond :data:`MAX_BUCKET_MEMBERS` in a bucket and :data:`MAX_MEMBERS` in all, incidents are counted
and not kept. The group still opens and closes with them; its list of members and its points are those of the kept ones,
and a series with several such incidents counts several times.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from eddy.alert import LISTED_MEMBERS, Alert, AlertState, group_id, severity_level
from eddy.alert_settings import AlertSettings

_GROWTH = 4  # a group sends an update when it has so many times more series than at its last message
_MAX_UPDATES = 2
_RETAIN_MS = 86_400_000  # event time for which closed incidents may still join a group with a shard that is behind
MAX_BUCKETS = 2_000
MAX_BUCKET_MEMBERS = 2_000  # 250 kB of state, written at each checkpoint while the bucket changes
MAX_MEMBERS = 50_000  # in all buckets together; 25 MB
_WINDOW = "window"  # key of keyed state: the window that the buckets were made with
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
        more: incidents that are counted only; ``more_open``: how many of them are open.
        names: the distinct series; ``opened``: how many of the incidents are open. Both are derived from the members.
    """

    members: dict[str, GroupMember] = field(default_factory=dict)
    leading: dict[str, Any] = field(default_factory=dict)
    told: int = 0
    word: str = ""
    updates: int = 0
    closed: bool = False
    more: int = 0
    more_open: int = 0
    names: set[str] = field(default_factory=set)
    opened: int = 0

    @property
    def count(self) -> int:
        """Count the series with incidents."""
        return len(self.names) + self.more

    @property
    def is_open(self) -> bool:
        """Whether any incident is open."""
        return bool(self.opened or self.more_open)

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
        self._window_ms = settings.group_window_ms
        self.buckets: dict[int, TimeBucket] = {}  # by start
        self._starts: list[int] = []  # of the buckets, in order
        self._members = 0  # kept, in all buckets
        self._left_out = 0
        self._ended: list[tuple[int, TimeBucket]] = []  # dropped while their group was open: it has to be closed
        self._changed: set[int] = set()
        self._window_saved = False

    def take(self, alerts: Iterable[Alert], now: int) -> list[Alert]:
        """Take alerts in order of arrival; return the messages about groups.

        Duplicates change nothing. Suppressed incidents do not join a group, since they notify nobody anyway.

        Args:
            alerts: those of incidents and silent series are used, others ignored.
            now: wall clock, epoch ms.
        """
        messages: list[Alert] = []
        for alert in alerts:
            if not self._min_series or not _may_join(alert):
                continue
            start = self._bucket_of(alert.start)
            if start not in self.buckets:
                self._forget(start)
                self.buckets[start] = TimeBucket()
                insort(self._starts, start)
            bucket = self.buckets[start]
            self._changed.add(start)
            self._join(bucket, alert)
            state = self._news(bucket)
            if state is not None:
                messages.append(self._message(start, bucket, state, now))
            if bucket.told and not bucket.closed and not bucket.is_open:
                bucket.closed = True
                messages.append(self._message(start, bucket, "closed", now))
        ended, self._ended = self._ended, []
        return messages + [self._message(start, bucket, "closed", now) for start, bucket in ended]

    def take_left_out(self) -> int:
        """Return how many incidents the limits have left out of the members since the last call."""
        taken, self._left_out = self._left_out, 0
        return taken

    def changes(self) -> dict[str, bytes | None]:
        """Return the entries of keyed state that changed since the last call; None: the entry is to be removed."""
        entries = {
            str(start): self.buckets[start].to_json() if start in self.buckets else None for start in self._changed
        }
        if entries and not self._window_saved:
            entries[_WINDOW], self._window_saved = str(self._window_ms).encode(), True
        self._changed.clear()
        return entries

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Restore the entries that :meth:`changes` returned.

        Buckets of another ``group_window_ms`` mean other times: they are dropped, their open groups are closed.
        """
        window = int(entries.get(_WINDOW, str(self._window_ms)))
        kept = {int(key): TimeBucket.from_json(value) for key, value in entries.items() if key != _WINDOW}
        self._window_saved = _WINDOW in entries and window == self._window_ms
        self.buckets, self._starts = dict(sorted(kept.items())), sorted(kept)
        self._members = sum(len(bucket.members) for bucket in kept.values())
        if window != self._window_ms:
            for start in list(self._starts):
                self._drop(start)

    def _news(self, bucket: TimeBucket) -> AlertState | None:
        """Choose the message to send after an incident has joined or changed, and note it as sent; None: no message."""
        count, level = bucket.count, severity_level(int(bucket.leading["severity"]))
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
            end=max([leading.end, *(member.end for member in bucket.members.values())]),
            detected_at=now,
            points=sum(member.points for member in bucket.members.values()),
            group=number,
            kind="group",
            members=tuple(
                {"series": one.series, "id": name, "severity": one.severity} for name, one in ranked[:LISTED_MEMBERS]
            ),
            member_count=bucket.count,
        )

    def _forget(self, coming: int) -> None:
        """Drop buckets that nothing can join any more, the oldest first; ``coming`` is added next, however old."""
        oldest = max([coming, *self._starts[-1:]]) - _RETAIN_MS
        crowded = self._members >= MAX_MEMBERS or len(self._starts) >= MAX_BUCKETS
        if not crowded and (not self._starts or self._starts[0] >= oldest):  # as good as always
            return
        for start in list(self._starts):
            too_many = len(self._starts) >= MAX_BUCKETS
            if start >= oldest and not too_many and self._members < MAX_MEMBERS:
                break
            if too_many or not self.buckets[start].is_open:
                self._drop(start)

    def _drop(self, start: int) -> None:
        self._starts.remove(start)
        bucket = self.buckets.pop(start)
        self._members -= len(bucket.members)
        self._changed.add(start)
        if bucket.told and not bucket.closed:
            self._ended.append((start, bucket))

    def _join(self, bucket: TimeBucket, alert: Alert) -> None:
        known = bucket.members.get(alert.id)
        if known is None and (len(bucket.members) >= MAX_BUCKET_MEMBERS or self._members >= MAX_MEMBERS):
            opens, closes = alert.state == "open", alert.state == "closed"
            bucket.more += opens
            bucket.more_open = max(bucket.more_open + opens - closes, 0)
            self._left_out += opens
        else:
            self._members += known is None
            _join(bucket, alert, known)
        before = bucket.leading
        first = min(alert.start, int(before.get("first", alert.start)))
        if (alert.severity, alert.id) >= (int(before.get("severity", -1)), str(before.get("id", ""))):
            bucket.leading = {name: value for name, value in vars(alert).items() if name in _KEPT}
        bucket.leading["first"] = first


def _may_join(alert: Alert) -> bool:
    """Tell whether an alert counts for a group: that a whole source is silent is one alert already."""
    of_series = alert.kind == "incident" or (alert.kind == "silent" and alert.group is not None)
    return of_series and alert.suppressed is None


def _join(bucket: TimeBucket, alert: Alert, known: GroupMember | None) -> None:
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
