"""A training request: what asks ``eddy trainer`` for a new version of a model. Topic: training; key: the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, cast, get_args

from eddy.errors import DataError
from eddy.message_fields import MessageFields

REQUEST_SCHEMA = 1
Reason = Literal["drift", "cold-start", "schedule", "manual"]


@dataclass(frozen=True)
class TrainingRequest:
    """Which model, and why.

    Attributes:
        model: name in the registry.
        reason: what led to it.
        ts: wall clock of the request, epoch ms: later requests for the same model have a larger one.
        since: by series, the event time from which its data are of the kind that counts now; those of other series
            count in full.
        detector, series, interval_ms: for a model that is not in the registry yet: what to train, on which series
            (patterns), and how far apart their points are (0: found in the data).
    """

    model: str
    reason: Reason
    ts: int
    since: Mapping[str, int] = field(default_factory=dict)
    detector: str = ""
    series: tuple[str, ...] = ()
    interval_ms: int = 0

    def merged(self, later: TrainingRequest) -> TrainingRequest:
        """One request for both: the later one, with what only the earlier one knows."""
        since = {**self.since, **later.since}
        series = tuple(dict.fromkeys([*self.series, *later.series]))
        return TrainingRequest(
            self.model, later.reason, max(self.ts, later.ts), since, later.detector or self.detector, series,
            later.interval_ms or self.interval_ms,
        )  # fmt: skip

    def to_json(self) -> bytes:
        """The message's value."""
        return json.dumps({"schema": REQUEST_SCHEMA, **asdict(self)}, sort_keys=True).encode()

    @classmethod
    def from_json(cls, value: bytes) -> TrainingRequest:
        """Parse and check a message's value; unknown fields are ignored.

        Raises:
            DataError: names the field, what was found and what was expected.
        """
        fields = MessageFields(value, "training request", REQUEST_SCHEMA, "trainer", DataError)
        since = fields.table("since", {})
        if not all(type(at) is int for at in since.values()):
            raise fields.wrong("since", "event times in epoch ms by series")
        reason = fields.text("reason")
        if reason not in get_args(Reason):
            raise fields.wrong("reason", f"one of {', '.join(get_args(Reason))}")
        return cls(
            fields.text("model"), cast("Reason", reason), fields.whole("ts"), since, fields.text("detector", ""),
            fields.texts("series"), fields.whole("interval_ms", default=0),
        )  # fmt: skip
