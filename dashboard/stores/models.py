"""Keep published models, from the registry's topics, and the job's events about them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from eddy.model_events import off_interval, refusal

_EVENTS_KEPT = 200


@dataclass(frozen=True)
class ModelVersion:
    """Hold a manifest (``docs/schemas/model.schema.json``) without its artifact, whose size in bytes is ``size``.

    ``stage`` describes how far a candidate's roll-out is.
    """

    name: str
    version: int
    detector: str
    series: tuple[str, ...]
    features: tuple[str, ...]
    window: int
    interval_ms: int
    threshold: Mapping[str, Any]
    metrics: Mapping[str, Any]
    created: str
    published: int
    sha256: str
    size: int
    stage: str = ""


@dataclass(frozen=True)
class ModelsView:
    """Hold the registry as of one moment.

    Attributes:
        current: by name, the version that jobs use.
        versions: by name, newest first, those replaced or withdrawn included.
        events: the job's events, newest first; see ``docs/schemas/event.schema.json``.
    """

    current: Mapping[str, ModelVersion] = field(default_factory=dict)
    versions: Mapping[str, tuple[ModelVersion, ...]] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()

    def refusal(self, name: str) -> str:
        """Return why the job refused the current version of a model; empty if it is not known to have done so."""
        current = self.current.get(name)
        return refusal(self.events, name, current.version, current.published) if current else ""

    def off_interval(self, name: str) -> str:
        """Return which series come at another interval than a model's current version expects; empty: none is known."""
        current = self.current.get(name)
        if current is None:
            return ""
        said = off_interval(self.events, name, current.version)
        return said or str(current.metrics.get("interval_mismatch") or "")


class ModelStore:
    """Take the registry's messages; belongs to the collector thread."""

    def __init__(self) -> None:
        self._current: dict[str, ModelVersion] = {}
        self._versions: dict[str, dict[int, ModelVersion]] = {}
        self._events: deque[Mapping[str, Any]] = deque(maxlen=_EVENTS_KEPT)
        self._view = ModelsView()
        self._changed = False

    def put_current(self, name: str, value: bytes | None, published: int) -> None:
        """Take a message of the models topic; one without a value withdraws the model."""
        self._changed = True
        if value is None or _withdraws(value):
            self._current.pop(name, None)
        elif (manifest := _read(value, published)) is not None:
            self._current[manifest.name] = self._kept(manifest)

    def put_history(self, value: bytes | None, published: int) -> None:
        """Take a message of the history topic."""
        if value is not None and not _withdraws(value) and (manifest := _read(value, published)) is not None:
            self._changed = True
            self._kept(manifest)

    def put_event(self, value: bytes | None) -> None:
        """Take a message of the events topic."""
        try:
            event = orjson.loads(value or b"")
            if isinstance(event["ts"], int) and isinstance(event["event"], str):
                self._events.appendleft(event)
                self._changed = True
        except (ValueError, TypeError, KeyError):
            return

    def view(self) -> ModelsView:
        """Return the models as of now; the same object as long as nothing changed."""
        if self._changed:
            self._changed = False
            self._view = ModelsView(
                current=dict(sorted(self._current.items())),
                versions={
                    name: tuple(versions[number] for number in sorted(versions, reverse=True))
                    for name, versions in sorted(self._versions.items())
                },
                events=tuple(self._events),
            )
        return self._view

    def _kept(self, manifest: ModelVersion) -> ModelVersion:
        """Return the version as first published: it comes twice, in its history and as the current one."""
        return self._versions.setdefault(manifest.name, {}).setdefault(manifest.version, manifest)


def _withdraws(value: bytes) -> bool:
    """Tell whether a message takes its model out of use, as it is done where messages are signed."""
    try:
        raw = orjson.loads(value)
    except ValueError:
        return False
    return isinstance(raw, dict) and raw.get("withdrawn") is True


def _read(value: bytes, published: int) -> ModelVersion | None:
    try:
        raw = orjson.loads(value)
        return ModelVersion(
            name=str(raw["name"]),
            version=int(raw["version"]),
            detector=str(raw["detector"]),
            series=tuple(map(str, raw["series"])),
            features=tuple(map(str, raw["features"])),
            window=int(raw["window"]),
            interval_ms=int(raw.get("interval_ms") or 0),
            threshold=dict(raw.get("threshold") or {}),
            metrics=dict(raw.get("metrics") or {}),
            created=str(raw.get("created", "")),
            published=published,
            sha256=str(raw.get("sha256", "")),
            stage=_stage(raw.get("rollout") or {}),
            size=len(raw.get("artifact") or "") * 3 // 4,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _stage(rollout: Mapping[str, Any]) -> str:
    """Describe the stage of a roll-out; empty for a version in full use."""
    if not rollout:
        return ""
    share = f", {float(rollout.get('share') or 0):.0%} of series" if rollout.get("stage") == "canary" else ""
    return f"{rollout.get('stage')} of {rollout.get('of')}{share}"
