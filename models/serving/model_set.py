"""The models in use: checked when they come in, looked up by series pattern."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np

from eddy.alert_settings import ModelAlerts
from eddy.errors import ModelError
from eddy.models.alerting.rules import read_model_alerts
from eddy.models.artifacts import artifact
from eddy.models.artifacts.calibration import Calibration
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.catalog import DETECTORS, threshold_from_params
from eddy.models.core.detector import Detector, Floats, GapPolicy, WindowBatch, WindowSpec
from eddy.models.core.threshold import Threshold
from eddy.models.serving.pending_versions import PendingVersions

COLD = "cold-start"  # name of the built-in model, see eddy.models.engine.cold_start
_SMOKE_TEST_WINDOWS = 8
_SMOKE_TEST_SECONDS = 1.0  # of CPU, the second time, since the first may compile; what is of any use takes milliseconds
_MAX_NUMBERS = 1_000_000  # in a series' window: 8 MB of state for each; far above any use, stops a mistake


@dataclass(frozen=True)
class LoadedModel:
    """A model that passed its checks."""

    manifest: Manifest
    detector: Detector
    threshold: Threshold
    calibration: Calibration | None
    alerts: ModelAlerts

    def severities(self, scores: Floats, limits: Floats) -> Floats:
        """(n,) 0–100: 100·log(p) / log(1e-8) of the score's tail probability p, or from the ratio to the limit."""
        if self.calibration is not None:
            share = np.log10(self.calibration.tail(scores)) / -8.0
        else:
            share = 0.25 * np.log2(np.maximum(scores, 1e-12) / np.maximum(limits, 1e-12)) + 0.25
        return np.clip(np.nan_to_num(100.0 * share), 0.0, 100.0)


def load_model(manifest: Manifest, content: bytes) -> LoadedModel:
    """Check an artifact against its manifest and build the model.

    Raises:
        ModelError: wrong checksum, unreadable artifact, contradiction between both, or a detector that cannot score.
    """
    where = f"model {manifest.name} version {manifest.version}"
    digest = artifact.sha256(content)
    if digest != manifest.sha256:
        raise ModelError(f"{where}: sha256 is {digest[:12]}…, the manifest says {manifest.sha256[:12]}…; publish again")
    detector = artifact.load(content)
    spec = detector.spec
    found = (detector.kind, spec.features, spec.window, spec.stride, spec.interval_ms)
    kind, _ = DETECTORS.current(manifest.detector)
    said = (kind, manifest.features, manifest.window, manifest.stride, manifest.interval_ms)
    if found != said:
        raise ModelError(f"{where}: the artifact is {found}, the manifest says {said}")
    _check(spec, where)
    rollout_of(manifest)
    model = LoadedModel(
        manifest,
        detector,
        threshold_from_params(manifest.threshold),
        Calibration.from_params(manifest.calibration) if manifest.calibration else None,
        read_model_alerts(manifest.alerts),
    )
    _smoke_test(model, where)
    return model


def _check(spec: WindowSpec, where: str) -> None:
    """Refuse windows that the job could not keep; the manifest has checked what it carries itself."""
    if spec.gap_policy not in get_args(GapPolicy):
        raise ModelError(f"{where}: gap_policy {spec.gap_policy!r}: expected one of {', '.join(get_args(GapPolicy))}")
    if not isinstance(spec.max_gap, int) or spec.max_gap < 0:
        raise ModelError(f"{where}: max_gap {spec.max_gap!r}: expected a whole number of at least 0")
    if len(set(spec.features)) < len(spec.features):
        raise ModelError(f"{where}: features {', '.join(spec.features)}: expected each once")
    numbers = spec.window * len(spec.features)
    if numbers > _MAX_NUMBERS:
        raise ModelError(f"{where}: window of {numbers} numbers per series; at most {_MAX_NUMBERS}: take a shorter one")


def _smoke_test(model: LoadedModel, where: str) -> None:
    """Score and explain made-up windows: a model that fails or never gives a number is refused before the stream."""
    detector, spec = model.detector, model.detector.spec
    shape = (_SMOKE_TEST_WINDOWS, spec.window, len(spec.features))
    batch = WindowBatch(
        np.random.default_rng(0).normal(size=shape),
        np.zeros(shape[:2], bool),
        np.arange(_SMOKE_TEST_WINDOWS, dtype=np.int64) * max(spec.interval_ms, 1),
        np.full(_SMOKE_TEST_WINDOWS, -1, np.int64),
        detector.initial_state(_SMOKE_TEST_WINDOWS),
    )
    doing = "score"
    try:
        _within_time_limit(
            detector, batch.take(np.arange(1)), where
        )  # far too slow? Then it takes a core for less long
        scores = _within_time_limit(detector, batch, where)
        silent = np.isnan(scores).all() and not detector.starts_silent
        if scores.shape != (_SMOKE_TEST_WINDOWS,) or silent:
            raise ModelError(f"{where}: gives no usable score on a trial window")
        doing = "explain"
        detector.explain(batch, np.ones(_SMOKE_TEST_WINDOWS))
    except ModelError:
        raise
    except Exception as error:  # whatever a broken artifact provokes, it must not stop the job
        raise ModelError(f"{where}: cannot {doing}: {type(error).__name__}: {error}") from error


def _within_time_limit(detector: Detector, batch: WindowBatch, where: str) -> Floats:
    """The scores, made twice: only the second time counts, the first may compile. A busy machine counts for nothing."""
    scores = np.asarray(detector.score(batch))
    began = time.thread_time()
    detector.score(batch)
    took = time.thread_time() - began
    if took > _SMOKE_TEST_SECONDS:
        raise ModelError(
            f"{where}: takes {took:.1f} s of CPU to score a batch of {len(batch.values)}; "
            f"at most {_SMOKE_TEST_SECONDS:g} s: take a smaller model"
        )
    return scores


class ModelSet:
    """The current version of every model, and the columns in which their features travel.

    Attributes:
        generation: counts changes; whoever caches an assignment compares it.
        columns: feature name to column of the value matrices; only grows.
        candidates: versions whose features have to be seen first.
    """

    def __init__(self, kinds: frozenset[str] = frozenset()) -> None:
        self.kinds = kinds  # detectors allowed to run; empty = all
        self.models: dict[str, LoadedModel] = {}
        self.columns: dict[str, int] = {"value": 0}
        self.generation = 0
        self.pending_versions = PendingVersions(self)

    def put(self, manifest: Manifest, fetch: Callable[[Manifest], bytes]) -> bool:
        """Take a version over; the same one again does nothing. Returns whether anything changed.

        Raises:
            ModelError: the version cannot be used; the one before stays.
        """
        if not self.runs(manifest) or self._has(manifest):
            return False
        return self.adopt(load_model(manifest, fetch(manifest)))

    def runs(self, manifest: Manifest) -> bool:
        """Whether its kind of detector runs here."""
        return not self.kinds or manifest.detector in self.kinds

    def adopt(self, model: LoadedModel) -> bool:
        """Take over a version that has been checked; the same one again does nothing. Returns whether it changed."""
        manifest = model.manifest
        if self._has(manifest):
            return False
        self.models[manifest.name] = model
        for feature in manifest.features:
            self.columns.setdefault(feature, len(self.columns))
        self.generation += 1
        return True

    def _has(self, manifest: Manifest) -> bool:
        known = self.models.get(manifest.name)
        return known is not None and known.manifest == manifest

    def withdraw(self, name: str) -> bool:
        """Stop using a model. Returns whether it was in use."""
        if self.models.pop(name, None) is None:
            return False
        self.generation += 1
        return True

    def start_cold(self, model: LoadedModel) -> None:
        """Have a built-in model for the series that no published one judges."""
        self.models[COLD] = model
        self.generation += 1

    def applying_to(self, series: str) -> list[str]:
        """Names of the models that apply to a series."""
        found = [name for name, model in self.models.items() if name != COLD and model.manifest.applies_to(series)]
        return found or ([COLD] if COLD in self.models else [])
