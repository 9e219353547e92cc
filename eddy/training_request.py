"""Define the request to ``eddy trainer`` for a new version of a model. Topic: training; key: the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from itertools import islice
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from eddy.errors import DataError, EddyError
from eddy.messages import (
    MAX_TEXT,
    MESSAGE_CONFIG,
    Count,
    EpochMs,
    Expected,
    Message,
    Name,
    PrintableText,
    Text,
    WallClockMs,
)
from eddy.texts import MAX_NAME_BYTES, PRINTABLE

REQUEST_SCHEMA = 1
TRAINER_GROUP = "eddy-trainer"  # consumer group whose offsets say what the trainer has settled
Reason = Literal["drift", "cold-start", "schedule", "manual"]
_MAX_SINCE, _MAX_PATTERNS = 1_000_000, 10_000
_SeriesKey = Annotated[str, PrintableText(MAX_NAME_BYTES, 1, MAX_NAME_BYTES, pattern=False)]


@dataclass(frozen=True, config=MESSAGE_CONFIG)
class TrainingRequest(Message):
    """Ask the trainer for a new version of a model, and say why.

    Raises:
        DataError: a field does not fit; names it, what was found and what was expected.

    Examples:
        >>> first = TrainingRequest("pumps", "drift", ts=1, since={"pump-1": 5})
        >>> first.merged(TrainingRequest("pumps", "manual", ts=2)).since
        {'pump-1': 5}
        >>> TrainingRequest("pumps", "whim", ts=1)
        Traceback (most recent call last):
        ...
        eddy.errors.DataError: training request: field 'reason': found 'whim', expected one of drift, ...
    """

    what: ClassVar[str] = "training request"
    version_of_schema: ClassVar[int] = REQUEST_SCHEMA
    reader: ClassVar[str] = "trainer"
    error: ClassVar[type[EddyError]] = DataError
    about: ClassVar[str] = (
        "Asks the trainer for a new version of a model. Topic: training; message key: the model's name. "
        "Unknown fields are to be ignored."
    )

    model: Annotated[Name, Field(description="Name of the model in the registry.")]
    reason: Annotated[
        Reason, Field(description="What led to the request."), Expected(f"one of {', '.join(get_args(Reason))}")
    ]
    ts: Annotated[
        WallClockMs,
        Field(description="Wall clock of the request, epoch ms: later requests for the same model have a larger one."),
    ]
    since: Annotated[
        Mapping[_SeriesKey, EpochMs],
        Field(
            max_length=_MAX_SINCE,
            description="By series: event time from which on its data count, epoch ms. Other series count in full.",
        ),
        Expected(f"event times in epoch ms by series, ids of at most {MAX_NAME_BYTES} bytes, {PRINTABLE}"),
    ] = field(default_factory=dict)
    detector: Annotated[
        Name, Field(description="For a model that is not in the registry yet: kind of detector to train.")
    ] = ""
    series: Annotated[
        tuple[Text, ...],
        Field(
            strict=False,
            max_length=_MAX_PATTERNS,
            description="For a model that is not in the registry yet: patterns of its series.",
        ),
        Expected(f"a list of texts of at most {MAX_TEXT} characters, {PRINTABLE}"),
    ] = ()
    interval_ms: Annotated[
        Count,
        Field(description="For a model that is not in the registry yet: sampling interval; 0 = found in the data."),
    ] = 0

    def merged(self, later: TrainingRequest) -> TrainingRequest:
        """Return one request for both: the later one, with what only the earlier one knows."""
        newest_first = {**later.since, **{name: at for name, at in self.since.items() if name not in later.since}}
        since = dict(islice(newest_first.items(), _MAX_SINCE))
        series = tuple(dict.fromkeys([*self.series, *later.series]))[:_MAX_PATTERNS]
        return TrainingRequest(
            self.model, later.reason, max(self.ts, later.ts), since, later.detector or self.detector, series,
            later.interval_ms or self.interval_ms,
        )  # fmt: skip

    def to_json(self) -> bytes:
        """Return the message's value."""
        return json.dumps({"schema": REQUEST_SCHEMA, **asdict(self)}, sort_keys=True).encode()
