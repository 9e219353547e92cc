"""The feedback message: what people say about an incident.

Topic ``feedback``, message key: the series id. Value: a JSON object, see ``docs/schemas/feedback.schema.json``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from eddy.errors import DataError
from eddy.message_fields import json_object

FEEDBACK_SCHEMA = 1
Action = Literal["ack", "unack", "dismiss", "label"]
#: the label that says that an incident was none; every other one names the kind of anomaly that it was
NORMAL = "normal"
_LONGEST_LABEL, _LONGEST_COMMENT = 64, 2000


@dataclass(frozen=True)
class Feedback:
    """One person's word on one incident.

    Attributes:
        id, series, model: of the incident; model is the name of the one that judged. Of a group: its id,
            ``group:<id>`` and an empty name.
        action: ``ack`` (somebody has taken it on), ``unack`` (not after all), ``dismiss`` (this was no anomaly: alert
            less readily on this series), ``label`` (what it was; feeds evaluation and training).
        by: who says so.
        ts: when, epoch ms (wall clock).
        start, end: of the incident in event time, epoch ms: what a label is about.
        label: with ``label`` only: :data:`NORMAL` or a word for the kind of anomaly.
        comment: free text.
    """

    id: str
    series: str
    model: str
    action: Action
    by: str
    ts: int
    start: int
    end: int
    label: str | None = None
    comment: str = ""
    schema: int = FEEDBACK_SCHEMA

    def __post_init__(self) -> None:
        for name in ("id", "series", "by"):
            _check(name, getattr(self, name), isinstance(getattr(self, name), str) and getattr(self, name), "text")
        _check("model", self.model, isinstance(self.model, str), "text")
        _check("action", self.action, self.action in get_args(Action), f"one of {', '.join(get_args(Action))}")
        for name in ("ts", "start", "end"):
            value = getattr(self, name)
            _check(name, value, isinstance(value, int) and not isinstance(value, bool), "epoch milliseconds")
        if self.action == "label":
            good = isinstance(self.label, str) and 0 < len(self.label) <= _LONGEST_LABEL
            _check("label", self.label, good, f"'{NORMAL}' or a word for the kind, at most {_LONGEST_LABEL} characters")
        else:
            _check("label", self.label, self.label is None, "none with this action")
        for name in ("id", "series", "model", "by", "label", "comment"):
            _check(name, getattr(self, name), _is_unicode(getattr(self, name)), "text of valid Unicode")
        good = isinstance(self.comment, str) and len(self.comment) <= _LONGEST_COMMENT
        _check("comment", self.comment, good, f"text of at most {_LONGEST_COMMENT} characters")

    def to_json(self) -> bytes:
        """The message's value."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, value: bytes) -> Feedback:
        """Parse and check a message's value; unknown fields are ignored.

        Raises:
            DataError: not feedback; names the field, what was found and what was expected.
        """
        raw = json_object(value, "feedback", DataError)
        _check("schema", raw.get("schema"), raw.get("schema") == FEEDBACK_SCHEMA, f"{FEEDBACK_SCHEMA}")
        try:
            return cls(**{name: raw[name] for name in cls.__dataclass_fields__ if name in raw})
        except TypeError as error:
            raise DataError(f"feedback: {str(error).rpartition('missing ')[2]}") from None


def _is_unicode(found: object) -> bool:
    """Tell whether a text has no lone surrogates, which JSON can hold and UTF-8 cannot."""
    return not isinstance(found, str) or found.encode(errors="ignore").decode() == found


def _check(name: str, found: Any, good: object, expected: str) -> None:
    if not good:
        raise DataError(f"feedback: field {name!r}: found {str(found)[:80]!r}, expected {expected}")
