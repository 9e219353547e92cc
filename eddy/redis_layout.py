"""Define the keys and values that the job keeps in Redis: one place for writer and readers.

All keys begin with ``redis.prefix`` and a colon:

==================================  ==========================================================================
``alerts``                          stream of all alerts, the newest ``redis.max_alerts``
``alert:<id>``                      last alert of an incident or group, as JSON
``open``, ``suppressed``            sorted sets: incidents that are open, by start; suppressed ones are apart
``groups``                          sorted set: groups that are open, by start
``written:<id>:<state>:…``          marks this transition of an incident as written
``feedback:<id>``                   hash: ``acknowledged`` and ``verdict``, the newest message of each
``series:<series>``                 hash: newest point of a series, and of each model that scores it
``live``                            sorted set: series by the time of the last write (wall clock, ms)
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
_MODEL = "model:"  # with a model's name: the field of a series' hash that keeps that model's newest result

# Optional, not '| None': aliases are evaluated, and the client runs on Python 3.9
Numbers = Mapping[str, Optional[float]]
_Newest = tuple[int, Numbers, Optional[float], Optional[float], str, str]


class Point(NamedTuple):
    """Hold a scored point of a series.

    Attributes:
        series, ts: id, and event time in epoch ms.
        values, expected, lower, upper: per feature; None = missing or not predicted.
        score, limit: None if the detector had no score.
        state: ``"anomalous"`` above the limit, ``"open"`` below it with an incident open, ``"warming"`` while the
            first points of a series are collected, ``"unscored"`` where its model could give no score, else ``"ok"``.
        model, version: the model that scored it.
        imputed: how many points of the window were filled in.
        increases: features that are counters: ``values`` and the band are of their increase from point to point.
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
    increases: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesState:
    """Hold the newest known state of a series.

    Attributes:
        series, ts: id, and epoch ms of its newest scored point.
        values: by feature; None = missing.
        score, threshold: of the model that wrote last; None if it had no score.
        state: ``ok``, ``anomalous`` or ``open`` (an incident is open).
        model: name of that model.
        models: per model: ts, score, threshold, state, version, expected, lower, upper, and of counters ``increases``,
            the features whose increase is scored.
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
    """Hold a point of a series with a model's expectation; times are epoch ms, None = missing or not predicted.

    Attributes:
        increases: features that are counters: the values and the band are of their increase.
    """

    ts: int
    values: Numbers
    expected: Numbers
    lower: Numbers
    upper: Numbers
    score: float | None
    threshold: float | None
    imputed: int
    increases: tuple[str, ...] = ()


@dataclass(frozen=True)
class IncidentFeedback:
    """Hold the newest feedback on an incident of each kind; None = there was none.

    Attributes:
        acknowledged: the acknowledgement.
        verdict: a dismissal or a label.
    """

    acknowledged: Feedback | None
    verdict: Feedback | None


class Keys:
    """Name the keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.alerts, self.live = f"{prefix}:alerts", f"{prefix}:live"
        self.open, self.suppressed, self.groups = f"{prefix}:open", f"{prefix}:suppressed", f"{prefix}:groups"

    @property
    def writable(self) -> str:
        """Key whose write cannot fail for what is in it: it tells a refused item from a Redis that takes nothing."""
        return f"{self._prefix}:writable"

    def alert(self, incident: str) -> str:
        """Return the key of the last alert of an incident or group."""
        return f"{self._prefix}:alert:{incident}"

    def feedback(self, incident: str) -> str:
        """Return the key of the feedback on an incident or group."""
        return f"{self._prefix}:feedback:{incident}"

    def series(self, series: str) -> str:
        """Return the key of the newest point of a series."""
        return f"{self._prefix}:series:{series}"

    def recent(self, series: str, model: str) -> str:
        """Return the key of the last points of a series as one model saw them."""
        return f"{self._prefix}:recent:{series}:{model}"

    def written(self, alert: Alert) -> str:
        """Return the key that marks this transition as written."""
        parts = [self._prefix, "written", alert.id, alert.state, str(alert.end), str(alert.severity)]
        if alert.suppressed:
            parts.append("suppressed")  # it comes once more, with the same end, when the reason has passed
        if alert.kind == "group":
            parts.append(str(alert.member_count))
        return ":".join(parts)

    def open_sets(self, alert: Alert) -> tuple[str, str]:
        """Return the keys of the set that holds an incident while it is open, and of the set that may have held it."""
        if alert.kind == "group":
            return self.groups, self.groups
        return (self.suppressed, self.open) if alert.suppressed else (self.open, self.suppressed)


def feedback_field(action: str) -> str:
    """Return the field of an incident's feedback that keeps a message of that action."""
    return "acknowledged" if action in {"ack", "unack"} else "verdict"


def decode_feedback(raw: Mapping[bytes, bytes]) -> IncidentFeedback:
    """Decode the hash of an incident's feedback."""
    said = {name.decode(): Feedback.from_json(value) for name, value in raw.items()}
    return IncidentFeedback(said.get("acknowledged"), said.get("verdict"))


def encode_series(point: Point) -> dict[str, Any]:
    """Return the fields of a series' hash that a point sets."""
    own = {
        "ts": point.ts,
        "score": point.score,
        "threshold": point.limit,
        "state": point.state,
        "version": point.version,
        "expected": point.expected,
        "lower": point.lower,
        "upper": point.upper,
        **({"increases": point.increases} if point.increases else {}),
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
    """Decode :data:`NEWEST_FIELDS` of a series' hash; return None if there is none."""
    ts, values, score, threshold, state, model = fields
    if ts is None:
        return None
    said = json.loads(values or b"{}"), _number(score), _number(threshold)
    return (int(ts), *said, (state or b"").decode(), (model or b"").decode())


def decode_series(series: str, raw: Mapping[bytes, bytes]) -> SeriesState | None:
    """Decode the whole hash of a series; return None if there is none."""
    newest = decode_newest([raw.get(name.encode()) for name in NEWEST_FIELDS])
    if newest is None:
        return None
    fields = {name.decode(): value for name, value in raw.items()}
    models = {n.removeprefix(_MODEL): json.loads(value) for n, value in fields.items() if n.startswith(_MODEL)}
    return SeriesState(series, *newest, models)


def recent_id(ts: int) -> str:
    """Return the id of a point's entry among the recent ones: its time, so that a repeated point is refused."""
    return f"{ts}-1"


def encode_recent(point: Point) -> dict[str, Any]:
    """Return the fields of a recent point's entry."""
    return {
        "values": orjson.dumps(point.values),
        "expected": orjson.dumps(point.expected),
        "lower": orjson.dumps(point.lower),
        "upper": orjson.dumps(point.upper),
        "score": _text(point.score),
        "threshold": _text(point.limit),
        "imputed": point.imputed,
        **({"increases": orjson.dumps(point.increases)} if point.increases else {}),
    }


def decode_recent(number: bytes, fields: Mapping[bytes, bytes]) -> RecentPoint:
    """Decode an entry of the recent points."""
    values, expected, lower, upper = (json.loads(fields[n]) for n in (b"values", b"expected", b"lower", b"upper"))
    score, threshold = _number(fields[b"score"]), _number(fields[b"threshold"])
    ts, imputed = int(number.split(b"-")[0]), int(fields[b"imputed"])
    increases = tuple(json.loads(fields.get(b"increases", b"[]")))
    return RecentPoint(ts, values, expected, lower, upper, score, threshold, imputed, increases)


def _text(value: float | None) -> float | str:
    return "" if value is None else value


def _number(value: bytes | None) -> float | None:
    return float(value) if value else None
