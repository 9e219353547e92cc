"""Define the alert message: one per transition of an incident, or of a group of incidents that share their time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, Literal

import orjson

from eddy.errors import DataError
from eddy.event_times import iso

ALERT_SCHEMA = 1
AlertState = Literal["open", "update", "closed"]
AlertKind = Literal["incident", "group", "silent"]

#: lower bound of each severity level, highest first
SEVERITY_LEVELS = ((75, "critical"), (50, "high"), (25, "medium"), (0, "low"))
#: newest points of the window, and features (those with the largest share), that an alert carries
WINDOW_POINTS, WINDOW_FEATURES = 64, 8
#: members that a group alert lists, the most severe first; ``member_count`` has the number of all
LISTED_MEMBERS = 100
_DIGITS, _MAX_DECIMALS, _LARGE = 4, 9, 1e15  # of numbers in a sentence


def severity_level(severity: int) -> str:
    """Return the level of a severity of 0–100."""
    return next(level for lower_bound, level in SEVERITY_LEVELS if severity >= lower_bound)


def incident_id(series: str, model: str, start: int) -> str:
    """Return 16 hex digits that name an incident: the same anomaly gets the same id after any replay or restart."""
    return hashlib.blake2b(f"{series}\0{model}\0{start}".encode(), digest_size=8).hexdigest()


@lru_cache(1024)  # incidents that begin together ask for the same one
def group_id(start: int) -> str:
    """Return 16 hex digits that name a group by the bucket of event time in which it began."""
    return hashlib.blake2b(f"group\0{start}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Alert:
    """Report a transition of an incident. Times are epoch ms; ``detected_at`` is wall clock, the others event time.

    Fields with a default came later: messages of older versions are read with the defaults.

    Attributes:
        id: see :func:`incident_id` and :func:`group_id`.
        series: its id; of a group ``group:<id>``.
        state: ``open``, ``update`` (it became more severe, or the group larger) or ``closed``.
        start, end: first and last anomalous point so far.
        detected_at: when the job saw this transition.
        score, threshold: highest score of the incident and the limit at that point.
        severity, severity_word: 0–100, meaning the same for every detector, and its level.
        points, imputed: anomalous points so far; how many points of the deciding window were filled in.
        values, expected, lower, upper, attribution: per feature, at the point of the highest score so far, or
            ``points_ago`` points before it; None where unknown.
        model: name, version and sha256 of the model that scored it.
        detector: its kind.
        job: name of the job.
        confidence: 0–1: lower where the deciding window was filled in or the series' history is short.
        window: the newest points of the deciding window, or None: ``start``, ``end`` (epoch ms; start None where
            points are not clocked), ``interval_ms``, ``size`` (points of the whole window), ``values`` (feature to at
            most :data:`WINDOW_POINTS` numbers, oldest first) and ``imputed`` (0 or 1 for each of them).
        points_ago: how many points before the newest of the deciding window the values are of: a detector of windows
            shows the point that contributed most to the score.
        unusual: what is unusual, in words, where it is no single value: all values are in their band; else empty.
        return_period_s: seconds after which so high a score comes again in normal times, by the series' own past, at
            most ten times that past; None where the threshold cannot say it (see docs/thresholds.md).
        suppressed: None, or why nobody is notified: ``maintenance: <calendar>`` or ``cool-down``. An incident that
            outlasts the reason is sent as ``open`` once more, without it.
        group: id of the group that the incident belongs to if enough others start in the same time bucket, whether or
            not that group exists yet; None where groups are off. Of a group its own id.
        kind: ``incident``; ``group``: many series at once, with the evidence of its most severe member; ``silent``: the
            series, or the whole source ``source:<name>``, sends nothing for longer than usual. Of a silent one
            ``start`` is its last event, ``score`` the seconds without one in its usual hours, ``threshold`` those that
            are allowed, and ``unusual`` says it in words; there are no values.
        members: of a group: ``series``, ``id`` and ``severity`` of at most :data:`LISTED_MEMBERS` incidents, the most
            severe first; ``member_count`` is how many series it has.
        acknowledged: somebody has taken the incident on (see :mod:`eddy.feedback`).
        interval: of a point that was made of raw events (docs/aggregation.md): ``start`` and ``end`` of its interval
            (epoch ms), and how many ``events`` it had; None where points were measured, or the interval is no longer
            at hand (after a restart).
        settings_digest: identifies the settings in use (thresholds, alert rules); equal digests, equal settings.
        increases: features that are counters: values, band and window are of their increase from point to point.
    """

    id: str
    series: str
    state: AlertState
    start: int
    end: int
    detected_at: int
    score: float
    threshold: float
    severity: int
    severity_word: str
    points: int
    imputed: int
    values: Mapping[str, float | None]
    expected: Mapping[str, float | None]
    lower: Mapping[str, float | None]
    upper: Mapping[str, float | None]
    attribution: Mapping[str, float | None]
    model: Mapping[str, Any]
    detector: str
    job: str = "eddy"
    schema: int = ALERT_SCHEMA
    confidence: float = 1.0
    window: Mapping[str, Any] | None = None
    points_ago: int = 0
    unusual: str = ""
    return_period_s: int | None = None
    suppressed: str | None = None
    group: str | None = None
    kind: AlertKind = "incident"
    members: Sequence[Mapping[str, Any]] = ()
    member_count: int = 0
    acknowledged: bool = False
    interval: Mapping[str, int] | None = None
    settings_digest: str = ""
    increases: Sequence[str] = ()

    @property
    def reason(self) -> str:
        """Say in a sentence why it came: the value out of its band that contributed most, or what is unusual in words.

        Examples:
            >>> from eddy.testing.sinks import make_alert
            >>> make_alert(values={"value": 9.0}, lower={"value": -2.5}, upper={"value": 4.0}).reason
            'value 9, expected -2.5 to 4'
            >>> make_alert(values={"value": 1.0}, unusual="it stands still for longer than usual").reason
            'it stands still for longer than usual'
            >>> make_alert(values={"value": 9.0}, lower={}, upper={"value": 4.0}, points_ago=3).reason
            'value 9 (3 points ago), expected at most 4'
            >>> make_alert(values={"value": 9.0}, lower={}, upper={"value": 4.0}, increases=("value",)).reason
            'increase of value 9, expected at most 4'
        """
        outside = [feature for feature in self.values if self._is_outside(feature)]
        if self.unusual or not outside:
            return self.unusual
        feature = max(outside, key=lambda one: self.attribution.get(one) or 0.0)
        value, low, high = self.values[feature] or 0.0, self.lower.get(feature), self.upper.get(feature)
        bounds = [one for one in (low, high) if one is not None]
        decimals = _decimals(value, bounds)
        shown = [_number(one, decimals) for one in bounds]
        expected = " to ".join(shown) if len(shown) > 1 else f"{'at least' if high is None else 'at most'} {shown[0]}"
        ago = f" ({self.points_ago} point{'s' if self.points_ago > 1 else ''} ago)" if self.points_ago else ""
        return f"{self.name_of(feature)} {_number(value, decimals)}{ago}, expected {expected}"

    def name_of(self, feature: str) -> str:
        """Return what the values and the band of a feature are of: itself, or its increase where it is a counter."""
        return f"increase of {feature}" if feature in self.increases else feature

    @property
    def values_at(self) -> int | None:
        """Event time of the point that :attr:`values` are of, epoch ms; None where points are not clocked."""
        end, interval = (self.window or {}).get("end"), (self.window or {}).get("interval_ms")
        if end is None or (self.points_ago and not interval):
            return None
        return int(end - self.points_ago * (interval or 0))

    @property
    def made_of(self) -> str:
        """Say which interval the newest anomalous point sums up; empty where points were measured.

        Examples:
            >>> from eddy.testing.sinks import make_alert
            >>> make_alert(interval={"start": 1_767_225_600_000, "end": 1_767_225_660_000, "events": 12}).made_of
            '12 events from 2026-01-01T00:00:00Z to 2026-01-01T00:01:00Z'
        """
        if self.interval is None:
            return ""
        count = self.interval["events"]
        start, end = iso(self.interval["start"]), iso(self.interval["end"])
        return f"{count:,} event{'' if count == 1 else 's'} from {start} to {end}"

    @property
    def rarity(self) -> str:
        """Say in a sentence how often so high a score comes in normal times; empty where that is not known.

        Examples:
            >>> from eddy.testing.sinks import make_alert
            >>> make_alert(return_period_s=1_800_000).rarity
            'such a score comes about once in 3 weeks in normal times'
        """
        if self.return_period_s is None:
            return ""
        return f"such a score comes about once in {_roughly(self.return_period_s)} in normal times"

    def _is_outside(self, feature: str) -> bool:
        value, low, high = self.values[feature], self.lower.get(feature), self.upper.get(feature)
        return value is not None and ((low is not None and value < low) or (high is not None and value > high))

    def to_json(self) -> bytes:
        """Return the message's value, encoded once: Kafka, Redis and groups all need it."""
        return self._json

    @cached_property
    def _json(self) -> bytes:
        return orjson.dumps(vars(self), option=orjson.OPT_SORT_KEYS)  # which holds the fields and nothing else yet

    @classmethod
    def from_json(cls, value: bytes) -> Alert:
        """Parse a message's value; unknown fields are ignored.

        Raises:
            DataError: not an alert; names the field.
        """
        try:
            raw = _loaded(value)
            found = {name: raw[name] for name in _FIELDS if name in raw or name in _NEEDED}
        except (ValueError, TypeError) as error:
            raise DataError(f"alert: not a JSON object: {error}") from None
        except KeyError as error:
            raise DataError(f"alert: field {error} is missing") from None
        found["members"] = tuple(found.get("members", ()))
        found["increases"] = tuple(found.get("increases", ()))
        return cls(**found)


_UNITS = (
    ("year", 31_557_600),
    ("month", 2_629_800),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
)
_FIELDS = tuple(one.name for one in fields(Alert))
_NEEDED = frozenset(one.name for one in fields(Alert) if one.default is MISSING)


def _decimals(value: float, bounds: Sequence[float]) -> int:
    """Return how many decimals show the largest number to four digits, and the value outside of its bounds."""
    largest = max(abs(one) for one in (value, *bounds))
    beyond = min(abs(value - one) for one in bounds)
    wanted = [_DIGITS - 1 - math.floor(math.log10(largest)) if largest else 0]
    wanted += [-math.floor(math.log10(beyond))] if beyond else []
    return max(*wanted, 0)


def _number(value: float, decimals: int) -> str:
    if decimals > _MAX_DECIMALS or abs(value) >= _LARGE:
        return f"{value:,.5g}"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def _roughly(seconds: float) -> str:
    """Return a length of time in its largest unit of which there are two or more."""
    name, length = next((unit for unit in _UNITS if seconds >= 1.5 * unit[1]), _UNITS[-1])
    number = max(round(seconds / length), 1)
    return name if number == 1 else f"{number} {name}s"


def _loaded(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return json.loads(value)  # older versions wrote infinite numbers, which are not JSON
