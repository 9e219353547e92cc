"""The alert message: one per transition of an incident."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from eddy.errors import DataError

ALERT_SCHEMA = 1
AlertState = Literal["open", "update", "closed"]

#: lower bound of each severity word, highest first
SEVERITY_WORDS = ((75, "critical"), (50, "high"), (25, "medium"), (0, "low"))


def severity_word(severity: int) -> str:
    """The word beside a severity of 0–100."""
    return next(word for least, word in SEVERITY_WORDS if severity >= least)


def incident_id(series: str, model: str, start: int) -> str:
    """16 hex digits that name an incident: the same anomaly gets the same id after any replay or restart."""
    return hashlib.blake2b(f"{series}\0{model}\0{start}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Alert:
    """What happened to an incident. Times are epoch milliseconds; ``detected_at`` is wall clock, the others event time.

    Attributes:
        id: see :func:`incident_id`.
        series: which series.
        state: ``open``, ``update`` (it became more severe) or ``closed``.
        start, end: first and last anomalous point so far.
        detected_at: when the job saw this transition.
        score, threshold: highest score of the incident and the limit at that point.
        severity, severity_word: 0–100, meaning the same for every detector, and a word.
        points, imputed: anomalous points so far; how many points of the deciding window were filled in.
        values, expected, lower, upper, attribution: per feature, at the point of the highest score so far;
            None where unknown.
        model: name, version and sha256 of the model that judged.
        detector: its kind.
        job: name of the job.
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
    schema: int = field(default=ALERT_SCHEMA)

    def to_json(self) -> bytes:
        """The message's value."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, value: bytes) -> Alert:
        """Parse a message's value; unknown fields are ignored.

        Raises:
            DataError: not an alert; names the field.
        """
        try:
            raw = json.loads(value)
            return cls(**{name: raw[name] for name in cls.__dataclass_fields__})
        except (ValueError, TypeError) as error:
            raise DataError(f"alert: not a JSON object: {error}") from None
        except KeyError as error:
            raise DataError(f"alert: field {error} is missing") from None
