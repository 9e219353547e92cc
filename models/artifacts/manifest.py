"""The manifest: what a model is, which series it judges, and where its artifact lies. One Kafka message each."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from eddy.alert_settings import fits
from eddy.errors import ModelError
from eddy.message_fields import MessageFields

MANIFEST_SCHEMA = 1
INLINE_LIMIT_BYTES = 700_000  # base64 of it stays under Kafka's default message size of 1 MiB
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Manifest:
    """A published model. The Kafka key of its message is :attr:`name`; a message without a value withdraws it.

    Attributes:
        name: letters, digits, ``. _ -``; the identity over all versions.
        version: counts up from 1.
        detector: kind of the detector, such as ``"lstm-autoencoder"``.
        series: glob patterns of the series it judges (``*``, ``taxi-*``); one that starts with ``!`` excludes.
        features, window, stride, interval_ms: as :class:`eddy.models.core.detector.WindowSpec`; copied here to be read
            without the artifact, which is what counts.
        threshold: parameters of a :class:`eddy.models.core.threshold.Threshold`.
        calibration: parameters of a :class:`eddy.models.artifacts.calibration.Calibration`, or empty.
        alerts: parameters of a :class:`eddy.alert_settings.ModelAlerts`, or empty.
        metrics: what evaluation measured, for people.
        parameters: what the detector was asked to be, for people: an ensemble's members, weights and rule.
        training: how to train it again: the detector's parameters, the threshold's rule, the seed; or empty.
        rollout: empty: it is in full use. Else a candidate for another model, see :mod:`eddy.models.artifacts.rollout`.
        created: ISO-8601 with offset.
        sha256: of the artifact.
        artifact: the artifact inline, base64; or empty, and then ``uri`` says where it lies.
        signature: see :mod:`eddy.models.artifacts.signing`; empty = not signed.
    """

    name: str
    version: int
    detector: str
    series: tuple[str, ...]
    features: tuple[str, ...]
    window: int
    stride: int
    interval_ms: int
    threshold: Mapping[str, Any]
    created: str
    sha256: str
    calibration: Mapping[str, Any] = field(default_factory=dict)
    alerts: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    rollout: Mapping[str, Any] = field(default_factory=dict)
    artifact: str = ""
    uri: str = ""
    signature: str = ""

    def applies_to(self, series: str) -> bool:
        """Whether the model applies to a series."""
        return fits(self.series, series)

    def with_artifact(self, content: bytes) -> Manifest:
        """The manifest with its artifact inline.

        Raises:
            ModelError: too large to travel in a Kafka message; publish by ``uri`` instead.
        """
        if len(content) > INLINE_LIMIT_BYTES:
            raise ModelError(
                f"model {self.name}: artifact of {len(content)} bytes; inline at most {INLINE_LIMIT_BYTES}: use --uri"
            )
        return replace(self, artifact=base64.b64encode(content).decode(), uri="")

    def inline_artifact(self) -> bytes | None:
        """The inline artifact's bytes, or None if there is none."""
        if not self.artifact:
            return None
        try:
            return base64.b64decode(self.artifact, validate=True)
        except binascii.Error as error:
            raise ModelError(f"model {self.name}: artifact is not base64: {error}") from None

    def to_json(self) -> bytes:
        """The message's value."""
        return json.dumps({"schema": MANIFEST_SCHEMA, **asdict(self)}, sort_keys=True).encode()

    @classmethod
    def from_json(cls, value: bytes) -> Manifest:
        """Parse and check a message's value; unknown fields are ignored.

        Raises:
            ModelError: names the field, what was found and what was expected.
        """
        fields = MessageFields(value, "manifest", MANIFEST_SCHEMA, "job", ModelError)
        name = fields.text("name")
        if not _NAME.fullmatch(name):
            raise fields.wrong("name", "letters, digits, '.', '_' and '-', at most 128")
        return cls(
            name=name,
            version=fields.whole("version", 1),
            detector=fields.text("detector"),
            series=fields.texts("series", 1),
            features=fields.texts("features", 1),
            window=fields.whole("window", 1),
            stride=fields.whole("stride", 1),
            interval_ms=fields.whole("interval_ms", 0),
            threshold=fields.table("threshold"),
            created=fields.text("created"),
            sha256=fields.text("sha256"),
            calibration=fields.table("calibration", {}),
            alerts=fields.table("alerts", {}),
            metrics=fields.table("metrics", {}),
            parameters=fields.table("parameters", {}),
            training=fields.table("training", {}),
            rollout=fields.table("rollout", {}),
            artifact=fields.text("artifact", ""),
            uri=fields.text("uri", ""),
            signature=fields.text("signature", ""),
        )
