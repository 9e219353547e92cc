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
        features, window, stride, interval_ms: as :class:`models.detector.WindowSpec`; copied here to be read
            without the artifact, which is what counts.
        threshold: parameters of a :class:`models.threshold.Threshold`.
        calibration: parameters of a :class:`models.calibration.Calibration`, or empty.
        alerts: parameters of a :class:`eddy.alert_settings.ModelAlerts`, or empty.
        metrics: what evaluation measured, for people.
        parameters: what the detector was asked to be, for people: an ensemble's members, weights and rule.
        training: how to train it again: the detector's parameters, the threshold's rule, the seed; or empty.
        rollout: empty: it is in full use. Else a candidate for another model, see :mod:`models.rollout`.
        created: ISO-8601 with offset.
        sha256: of the artifact.
        artifact: the artifact inline, base64; or empty, and then ``uri`` says where it lies.
        signature: see :mod:`models.signing`; empty = not signed.
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

    def judges(self, series: str) -> bool:
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
        try:
            raw = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"manifest: not JSON: {error}") from None
        if not isinstance(raw, dict):
            raise ModelError(f"manifest: expected a JSON object, found {type(raw).__name__}")
        if raw.get("schema") != MANIFEST_SCHEMA:
            raise ModelError(
                f"manifest: schema {raw.get('schema')!r}; this version reads {MANIFEST_SCHEMA}: upgrade the job first"
            )
        return cls(
            name=_name(raw),
            version=_whole(raw, "version", 1),
            detector=_text(raw, "detector"),
            series=_texts(raw, "series"),
            features=_texts(raw, "features"),
            window=_whole(raw, "window", 1),
            stride=_whole(raw, "stride", 1),
            interval_ms=_whole(raw, "interval_ms", 0),
            threshold=_object(raw, "threshold"),
            created=_text(raw, "created"),
            sha256=_text(raw, "sha256"),
            calibration=_object(raw, "calibration", {}),
            alerts=_object(raw, "alerts", {}),
            metrics=_object(raw, "metrics", {}),
            parameters=_object(raw, "parameters", {}),
            training=_object(raw, "training", {}),
            rollout=_object(raw, "rollout", {}),
            artifact=_text(raw, "artifact", ""),
            uri=_text(raw, "uri", ""),
            signature=_text(raw, "signature", ""),
        )


def _fail(key: str, found: Any, expected: str) -> ModelError:
    return ModelError(f"manifest: field {key!r}: found {str(found)[:80]!r}, expected {expected}")


def _name(raw: Mapping[str, Any]) -> str:
    name = _text(raw, "name")
    if not _NAME.fullmatch(name):
        raise _fail("name", name, "letters, digits, '.', '_' and '-', at most 128")
    return name


def _text(raw: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = raw.get(key, default)
    if not isinstance(value, str):
        raise _fail(key, value, "text")
    return value


def _texts(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise _fail(key, value, "a list of at least one text")
    return tuple(value)


def _whole(raw: Mapping[str, Any], key: str, least: int) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _fail(key, value, f"a whole number of at least {least}")
    return value


def _object(raw: Mapping[str, Any], key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    value = raw.get(key, default)
    if not isinstance(value, dict):
        raise _fail(key, value, "an object")
    return value
