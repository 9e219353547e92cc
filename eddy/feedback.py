"""Define the feedback message: a person's answer to an incident.

Topic ``feedback``, message key: the series id. Value: a JSON object, see ``docs/schemas/feedback.schema.json``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, ClassVar, Final, Literal, get_args

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.dataclasses import dataclass

from eddy.errors import DataError, EddyError
from eddy.messages import (
    MAX_NAME,
    MESSAGE_CONFIG,
    EpochMs,
    Expected,
    Message,
    Name,
    PrintableText,
    SeriesId,
    WallClockMs,
)
from eddy.texts import PRINTABLE

FEEDBACK_SCHEMA: Final = 1
Action = Literal["ack", "unack", "dismiss", "label", "reset"]
#: the label of an incident that was none; every other one names the kind of anomaly that it was
NORMAL = "normal"
RESET = "reset"  # in place of an incident's id
_MAX_LABEL, _MAX_COMMENT, _MAX_PERSON = 64, 2000, 256  # characters
_LABEL_EXPECTED = f"'{NORMAL}' or a name for the kind of at most {_MAX_LABEL} characters, {PRINTABLE}"
_IS_LABEL: JsonDict = {"properties": {"action": {"const": "label"}}}
_WITH_LABEL: JsonDict = {"properties": {"label": {"type": "string"}}, "required": ["label"]}
_WITHOUT_LABEL: JsonDict = {"properties": {"label": {"type": "null"}}}


@dataclass(
    frozen=True,
    config=ConfigDict(
        **MESSAGE_CONFIG, json_schema_extra={"if": _IS_LABEL, "then": _WITH_LABEL, "else": _WITHOUT_LABEL}
    ),
)
class Feedback(Message):
    """Answer to one incident, by one person.

    Actions: ``ack`` (somebody takes care of it), ``unack`` (takes that back), ``dismiss`` (it was no anomaly: raise the
    limits of this series), ``label`` (names what it was, for evaluation and training). ``reset`` is about a series and
    no incident (:func:`reset_of`): the job forgets the series.

    Raises:
        DataError: a field does not fit; names it, what was found and what was expected.

    Examples:
        >>> one = Feedback("0123456789abcdef", "pump-1", "pumps", "label", "ann", 1735689600000, 0, 1, label="leak")
        >>> Feedback.from_json(one.to_json()) == one
        True
        >>> Feedback("0123456789abcdef", "pump-1", "pumps", "shrug", "ann", 1, 0, 1)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        eddy.errors.DataError: feedback: field 'action': found 'shrug', expected one of ack, unack, ...
    """

    what: ClassVar[str] = "feedback"
    version_of_schema: ClassVar[int] = FEEDBACK_SCHEMA
    reader: ClassVar[str] = "job"
    error: ClassVar[type[EddyError]] = DataError
    about: ClassVar[str] = (
        "What somebody answers to an incident. Topic: feedback; message key: the series id. "
        "Unknown fields are to be ignored."
    )

    id: Annotated[str, PrintableText(MAX_NAME, 1), Field(description="Of the incident or group.")]
    series: Annotated[SeriesId, Field(description="Of the incident; of a group: group:<id>.")]
    model: Annotated[Name, Field(description="Name of the model that scored the series; empty for a group.")]
    action: Annotated[Action, Expected(f"one of {', '.join(get_args(Action))}")]
    by: Annotated[str, PrintableText(_MAX_PERSON, 1), Field(description="Who answers.")]
    ts: Annotated[WallClockMs, Field(description="Wall clock, epoch ms.")]
    start: Annotated[EpochMs, Field(description="Of the incident, event time, epoch ms.")]
    end: Annotated[EpochMs, Field(description="Of the incident, event time, epoch ms.")]
    label: Annotated[
        Annotated[str, PrintableText(_MAX_LABEL, 1)] | None,
        Field(description="With action label only: 'normal' (it was no anomaly) or a name for its kind."),
        Expected(_LABEL_EXPECTED),
    ] = None
    comment: Annotated[str, PrintableText(_MAX_COMMENT, lines=True), Field(description="May have several lines.")] = ""
    schema: Annotated[Literal[1], Expected("1")] = FEEDBACK_SCHEMA

    def __post_init__(self) -> None:
        if self.action == "label" and self.label is None:
            raise self.wrong("label", None, _LABEL_EXPECTED)
        if self.action != "label" and self.label is not None:
            raise self.wrong("label", self.label, "none with this action")
        if self.action == "reset" and self.model:
            raise self.wrong("model", self.model, "none with this action: a reset is for all models")

    def to_json(self) -> bytes:
        """Return the message's value."""
        return json.dumps(asdict(self), sort_keys=True).encode()


def reset_of(series: str, by: str, ts: int, comment: str = "") -> Feedback:
    """Build the message on which the job forgets a series, as if nothing of it had come.

    Args:
        series: the series' id.
        by: who asks.
        ts: wall clock, epoch ms.
        comment: free text.

    Raises:
        DataError: names the field that does not fit.

    Examples:
        >>> reset_of("pump-1", "ann", 1).action
        'reset'
    """
    return Feedback(RESET, series, "", "reset", by, ts, ts, ts, None, comment)
