"""What the job keeps in Redis: names of the keys, and what is in them. One place for who writes and who reads.

All keys begin with ``redis.prefix`` and a colon:

==================================  ==========================================================================
``alerts``                          stream of all alerts, the newest ``redis.max_alerts``
``alert:<id>``                      last alert of an incident or group, as JSON
``open``, ``suppressed``            sorted sets: incidents that are open, by start; suppressed ones are apart
``groups``                          sorted set: groups that are open, by start
``written:<id>:<state>:…``          says that this transition of an incident is written
``feedback:<id>``                   hash: ``acknowledged`` and ``verdict``, the newest message of each
``series:<series>``                 hash: newest point of a series, and of each model that scores it
``live``                            sorted set: which series was written when (wall clock, ms)
``recent:<series>:<model>``         stream of the newest ``redis.max_recent_points`` points; an entry's id is their time
==================================  ==========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import orjson

from eddy.alert import Alert
from eddy.feedback import Feedback

#: fields of a series' hash that belong to its newest point, as :class:`SeriesState` has them
NEWEST_FIELDS = ("ts", "values", "score", "threshold", "state", "model")
_MODEL = "model:"  # and a model's name: the field of a series' hash with what that model said last

# Optional, not '| None': aliases are evaluated, and the client runs on Python 3.9
Numbers = Mapping[str, Optional[float]]
_Newest = tuple[int, Numbers, Optional[float], Optional[float], str, str]


class Point(NamedTuple):
    """A scored point of a series.

    Attributes:
        series, ts: which point; epoch ms.
        values, expected, lower, upper: per feature; None = missing or no opinion.
        score, limit: None where the detector could not say.
        state: ``"anomalous"`` above the limit, ``"open"`` below it with an incident open, ``"warming"`` while the
            first points of a series are collected, else ``"ok"``.
        model, version: who judged.
        imputed: how many points of the window were filled in.
    """

    series: str
    ts: int
    values: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers
    score: float | None
    limit: float | None
    state: str
    model: str
    version: int
    imputed: int


@dataclass(frozen=True)
class SeriesState:
    """The newest that is known of a series.

    Attributes:
        series, ts: which, and epoch ms of its newest scored point.
        values: by feature; None = missing.
        score, threshold: of the model that wrote last; None where it could not say.
        state: ``ok``, ``anomalous`` or ``open`` (an incident is open).
        model: name of that model.
        models: per model: ts, score, threshold, state, version, expected, lower, upper.
    """

    series: str
    ts: int
    values: Numbers
    score: float | None
    threshold: float | None
    state: str
    model: str
    models: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class RecentPoint:
    """A point of a series with what a model expected; times are epoch ms, None = missing or no opinion."""

    ts: int
    values: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers
    score: float | None
    threshold: float | None
    imputed: int


@dataclass(frozen=True)
class IncidentFeedback:
    """What people said of an incident, the newest of each; None = nothing.

    Attributes:
        acknowledged: who has taken it on.
        verdict: a dismissal or a label.
    """

    acknowledged: Feedback | None
    verdict: Feedback | None


class Keys:
    """Names of the keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.alerts, self.live = f"{prefix}:alerts", f"{prefix}:live"
        self.open, self.suppressed, self.groups = f"{prefix}:open", f"{prefix}:suppressed", f"{prefix}:groups"

    @property
    def writable(self) -> str:
        """Key whose write cannot fail for what is in it: it tells a refused item from a Redis that takes nothing."""
        return f"{self._prefix}:writable"

    def alert(self, incident: str) -> str:
        """Key of the last alert of an incident or group."""
        return f"{self._prefix}:alert:{incident}"

    def feedback(self, incident: str) -> str:
        """Key of what people said of an incident or group."""
        return f"{self._prefix}:feedback:{incident}"

    def series(self, series: str) -> str:
        """Key of the newest point of a series."""
        return f"{self._prefix}:series:{series}"

    def recent(self, series: str, model: str) -> str:
        """Key of the last points of a series as one model saw them."""
        return f"{self._prefix}:recent:{series}:{model}"

    def written(self, alert: Alert) -> str:
        """Key that says that this very transition is written."""
        parts = [self._prefix, "written", alert.id, alert.state, str(alert.end), str(alert.severity)]
        if alert.suppressed:
            parts.append("suppressed")  # it comes once more, with the same end, when the reason has passed
        if alert.kind == "group":
            parts.append(str(alert.member_count))
        return ":".join(parts)

    def open_sets(self, alert: Alert) -> tuple[str, str]:
        """Keys of the set that an incident is in while it is open, and of the one that it may have been in before."""
        if alert.kind == "group":
            return self.groups, self.groups
        return (self.suppressed, self.open) if alert.suppressed else (self.open, self.suppressed)


def feedback_field(action: str) -> str:
    """Field of an incident's feedback that a message of that action is kept in."""
    return "acknowledged" if action in {"ack", "unack"} else "verdict"


def decode_feedback(raw: Mapping[bytes, bytes]) -> IncidentFeedback:
    """Read the hash of an incident's feedback."""
    said = {name.decode(): Feedback.from_json(value) for name, value in raw.items()}
    return IncidentFeedback(said.get("acknowledged"), said.get("verdict"))


def encode_series(point: Point) -> dict[str, Any]:
    """Fields of a series' hash that a point sets."""
    own = {
        "ts": point.ts,
        "score": point.score,
        "threshold": point.limit,
        "state": point.state,
        "version": point.version,
        "expected": point.expected,
        "lower": point.lower,
        "upper": point.upper,
    }
    return {
        "ts": point.ts,
        "values": orjson.dumps(point.values),
        "score": _text(point.score),
        "threshold": _text(point.limit),
        "state": point.state,
        "model": point.model,
        f"{_MODEL}{point.model}": orjson.dumps(own),
    }


def decode_newest(fields: Sequence[bytes | None]) -> _Newest | None:
    """Read :data:`NEWEST_FIELDS` of a series' hash; None if there is none."""
    ts, values, score, threshold, state, model = fields
    if ts is None:
        return None
    said = json.loads(values or b"{}"), _number(score), _number(threshold)
    return (int(ts), *said, (state or b"").decode(), (model or b"").decode())


def decode_series(series: str, raw: Mapping[bytes, bytes]) -> SeriesState | None:
    """Read the whole hash of a series; None if there is none."""
    newest = decode_newest([raw.get(name.encode()) for name in NEWEST_FIELDS])
    if newest is None:
        return None
    fields = {name.decode(): value for name, value in raw.items()}
    models = {n.removeprefix(_MODEL): json.loads(value) for n, value in fields.items() if n.startswith(_MODEL)}
    return SeriesState(series, *newest, models)


def recent_id(ts: int) -> str:
    """Id of a point's entry among the recent ones: its time, so that one that comes again is refused."""
    return f"{ts}-1"


def encode_recent(point: Point) -> dict[str, Any]:
    """Fields of a recent point's entry."""
    return {
        "values": orjson.dumps(point.values),
        "expected": orjson.dumps(point.expected),
        "lower": orjson.dumps(point.lower),
        "upper": orjson.dumps(point.upper),
        "score": _text(point.score),
        "threshold": _text(point.limit),
        "imputed": point.imputed,
    }


def decode_recent(number: bytes, fields: Mapping[bytes, bytes]) -> RecentPoint:
    """Read an entry of the recent points."""
    values, expected, lower, upper = (json.loads(fields[n]) for n in (b"values", b"expected", b"lower", b"upper"))
    score, threshold = _number(fields[b"score"]), _number(fields[b"threshold"])
    ts, imputed = int(number.split(b"-")[0]), int(fields[b"imputed"])
    return RecentPoint(ts, values, expected, lower, upper, score, threshold, imputed)


def _text(value: float | None) -> float | str:
    return "" if value is None else value


def _number(value: bytes | None) -> float | None:
    return float(value) if value else None
