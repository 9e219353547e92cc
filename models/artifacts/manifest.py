"""Define the manifest, the Kafka message that publishes a model: what it is, its series, where its artifact is."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, GetJsonSchemaHandler
from pydantic.dataclasses import dataclass

from eddy.alert_settings import ModelAlerts
from eddy.errors import EddyError, ModelError
from eddy.messages import (
    MAX_TEXT,
    MESSAGE_CONFIG,
    Count,
    Expected,
    Message,
    Name,
    Positive,
    PrintableText,
    Table,
    Text,
)
from eddy.patterns import SeriesPatterns
from eddy.texts import PRINTABLE

MANIFEST_SCHEMA = 1
INLINE_LIMIT_BYTES = 700_000  # base64 of it stays under Kafka's default message size of 1 MiB
_MAX_BASE64 = -(-INLINE_LIMIT_BYTES // 3) * 4
_MAX_PATTERNS, _MAX_FEATURES = 100_000, 10_000
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
ValueType = Literal["gauge", "counter", "auto"]
_POLICY: dict[str, Any] = {"properties": {"policy": {"type": "string"}}, "required": ["policy"]}


def is_name(text: str) -> bool:
    """Check whether a model may be called so."""
    return re.fullmatch(_NAME, text) is not None


class _AlertsSchema:
    """Describe the alert rules in the JSON Schema; they are checked when the model is loaded, not here."""

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(ModelAlerts.__pydantic_core_schema__)


@dataclass(frozen=True, config=MESSAGE_CONFIG)
class Manifest(Message):
    """Describe a published model: what it is, which series it applies to, where its artifact is.

    The Kafka key of the message is :attr:`name`; a message without a value, or one with ``withdrawn``, withdraws the
    model. ``features``,
    ``window``, ``stride`` and ``interval_ms`` repeat :class:`eddy.models.core.detector.WindowSpec`, to be read without
    the artifact; a model whose artifact differs from them is refused.

    Raises:
        ModelError: a field does not fit; names it, what was found and what was expected.
    """

    what: ClassVar[str] = "manifest"
    version_of_schema: ClassVar[int] = MANIFEST_SCHEMA
    reader: ClassVar[str] = "job"
    error: ClassVar[type[EddyError]] = ModelError
    about: ClassVar[str] = (
        "A version of a model. Topic: models (compacted); message key: the name; a message without a value withdraws "
        "it. Unknown fields are to be ignored."
    )

    name: Annotated[
        str,
        Field(pattern=_NAME, description="Identity over all versions."),
        Expected("letters, digits, '.', '_' and '-', at most 128"),
    ]
    version: Annotated[Positive, Field(description="Counts up from 1.")]
    detector: Annotated[Name, Field(description="Kind of the detector, such as lstm-autoencoder.")]
    series: Annotated[
        tuple[Text, ...],
        Field(
            strict=False,
            min_length=1,
            max_length=_MAX_PATTERNS,
            description="Glob patterns of the series that it applies to (*, taxi-*); one that starts with ! excludes.",
        ),
        Expected(f"a list of at least one text, each of at most {MAX_TEXT} characters, {PRINTABLE}"),
    ]
    features: Annotated[
        tuple[Text, ...],
        Field(
            strict=False,
            min_length=1,
            max_length=_MAX_FEATURES,
            description="Names of the features, in the order of the detector's columns.",
            json_schema_extra={"uniqueItems": True},
        ),
        Expected(f"a list of at least one text, each of at most {MAX_TEXT} characters, {PRINTABLE}"),
    ]
    window: Annotated[Positive, Field(description="Points of a window.")]
    stride: Annotated[Positive, Field(description="Points from one window to the next.")]
    interval_ms: Annotated[Count, Field(description="Sampling interval; 0 = points are counted, not clocked.")]
    threshold: Annotated[Table, Field(description="Parameters of the threshold.", json_schema_extra=_POLICY)]
    created: Annotated[str, PrintableText(64), Field(description="ISO-8601 with offset.")]
    sha256: Annotated[
        str, Field(pattern="^[0-9a-f]{64}$", description="Of the artifact."), Expected("64 hexadecimal digits")
    ]
    calibration: Annotated[
        Table, Field(description="Parameters of the calibration of scores to tail probabilities, or empty.")
    ] = field(default_factory=dict)
    alerts: Annotated[
        Table, Field(description="Alert rules for the series of this model, see docs/alerts.md."), _AlertsSchema()
    ] = field(default_factory=dict)
    metrics: Annotated[Table, Field(description="What evaluation measured, for people.")] = field(default_factory=dict)
    parameters: Annotated[
        Table, Field(description="Parameters of the detector, for people: an ensemble's members, weights and rule.")
    ] = field(default_factory=dict)
    training: Annotated[
        Table,
        Field(
            description="How to train it again: params of the detector, seed, threshold (name, false_rate, params); "
            "or empty."
        ),
    ] = field(default_factory=dict)
    rollout: Annotated[
        Table,
        Field(
            description="Empty: in full use. Else a candidate: of (the model that it may replace), stage (shadow or "
            "canary), share (of the series for which a canary notifies people)."
        ),
    ] = field(default_factory=dict)
    value_type: Annotated[
        ValueType,
        Field(
            description="What is scored: gauge, the values; counter, their increases; auto, the increases of the "
            "series that training found to be counters, or that turn out to be while they are scored."
        ),
        Expected(f"one of {', '.join(get_args(ValueType))}"),
    ] = "gauge"
    withdrawn: Annotated[
        bool, Field(description="The model is taken out of use; this is how it is done where messages are signed.")
    ] = False
    artifact: Annotated[
        str,
        Field(max_length=_MAX_BASE64, description="The artifact inline, base64; or empty."),
        Expected(f"base64 text of at most {_MAX_BASE64} characters"),
    ] = ""
    uri: Annotated[Text, Field(description="Where the artifact is, if it is not inline.")] = ""
    signature: Annotated[
        Name,
        Field(description="HMAC-SHA-256 over the manifest, hexadecimal; empty = not signed. See docs/security.md."),
    ] = ""

    def applies_to(self, series: str) -> bool:
        """Return whether the model applies to a series."""
        return self._patterns.fit(series)

    @cached_property
    def _patterns(self) -> SeriesPatterns:
        return SeriesPatterns(self.series)

    def with_artifact(self, content: bytes) -> Manifest:
        """Return the manifest with its artifact inline.

        Raises:
            ModelError: too large to travel in a Kafka message; publish by ``uri`` instead.
        """
        if len(content) > INLINE_LIMIT_BYTES:
            raise ModelError(
                f"model {self.name}: artifact of {len(content)} bytes; inline at most {INLINE_LIMIT_BYTES}: use --uri"
            )
        return replace(self, artifact=base64.b64encode(content).decode(), uri="")

    def inline_artifact(self) -> bytes | None:
        """Return the inline artifact's bytes, or None if there is none."""
        if not self.artifact:
            return None
        try:
            return base64.b64decode(self.artifact, validate=True)
        except binascii.Error as error:
            raise ModelError(f"model {self.name}: artifact is not base64: {error}") from None

    def to_json(self) -> bytes:
        """Return the message's value."""
        return json.dumps({"schema": MANIFEST_SCHEMA, **asdict(self)}, sort_keys=True).encode()
