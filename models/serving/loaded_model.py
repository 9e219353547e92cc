"""A model version that is ready for use: its artifact read, checked against the manifest, and tried out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from eddy.alert_settings import ModelAlerts
from eddy.errors import ModelError
from eddy.models.alerting.rules import read_model_alerts
from eddy.models.alerting.severity import by_rarity
from eddy.models.artifacts import artifact
from eddy.models.artifacts.calibration import Calibration
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.catalog import DETECTORS, threshold_from_params
from eddy.models.core.detector import Bools, Detector, Floats, GapPolicy, WindowBatch, WindowSpec
from eddy.models.core.threshold import Threshold
from eddy.patterns import has_wildcard

_SMOKE_TEST_WINDOWS = 8
_SMOKE_TEST_SECONDS = 1.0  # of CPU, the second time, since the first may compile; what is of any use takes milliseconds
_MAX_SERIES_BYTES = 1024 * 1024  # kept of each series: far above any use, stops a mistake
_MAX_WILDCARDS = 1000  # patterns that each new series is compared with, one by one; names are looked up at once
_MAX_GAP = 1_000_000  # points filled in: each takes memory where a series is read as a whole, for training
_HOLES, _FAR, _LONG_MS = 0.3, 1e4, 10 * 86_400_000  # share of missing values, a level, time between trial windows
_BELOW_CRITICAL = 74.0
_SMALLEST = 1e-12  # distance of a limit from the usual score
_UNSEEN = "trial-0"  # of a series that no training has seen


@dataclass(frozen=True)
class LoadedModel:
    """A model that passed its checks.

    Attributes:
        counters: series that it was trained on by their increases: the features of each that are counters.
    """

    manifest: Manifest
    detector: Detector
    threshold: Threshold
    calibration: Calibration | None
    alerts: ModelAlerts
    counters: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def increases(self, names: Sequence[str]) -> Bools:
        """Return (n, F) of which features of series the increase is scored from the first point on."""
        features, kind = self.detector.spec.features, self.manifest.value_type
        if kind != "auto":
            return np.full((len(names), len(features)), kind == "counter")
        found = np.zeros((len(names), len(features)), np.bool_)
        for row, name in enumerate(names) if self.counters else ():
            own = self.counters.get(name, ())
            found[row] = [feature in own for feature in features]
        return found

    @property
    def series_bytes(self) -> int:
        """Estimate the memory that each series takes: its window, and the state of detector and threshold."""
        spec, numbers = self.detector.spec, self.detector.state_size + self.threshold.state_size
        return spec.window * (8 * len(spec.features) + 1) + 8 * numbers

    def severities(self, batch: WindowBatch, scores: Floats, limits: Floats, beyond: Floats) -> Floats:
        """Rate (n,) windows that alert from 0 to 100: by what the detector says of them, else by how rare scores are.

        Args:
            batch: the windows.
            scores, limits: (n,).
            beyond: (n,) the last of :meth:`.Threshold.limits_in_place`; NaN where unknown.
        """
        said = self.detector.severities(batch, scores)
        if said is None:
            known = self.calibration
            tail, usual = (np.nan, 0.0) if known is None else (known.tail(scores), known.median)
            said = by_rarity(tail, (scores - usual) / np.maximum(limits - usual, _SMALLEST), beyond)
            said = np.minimum(said, 100.0 if self.detector.critical_by_rarity else _BELOW_CRITICAL)
        return np.clip(np.nan_to_num(said), 0.0, 100.0)


def load_model(manifest: Manifest, content: bytes) -> LoadedModel:
    """Check an artifact against its manifest and build the model.

    Raises:
        ModelError: wrong checksum, unreadable artifact, contradiction between both, or a detector that cannot score.
    """
    where = f"model {manifest.name} version {manifest.version}"
    if artifact.sha256(content) != manifest.sha256:  # which one it is would tell of files that the worker can read
        raise ModelError(f"{where}: its sha256 is not the one that the manifest says; publish again")
    detector = artifact.load(content)
    spec = detector.spec
    found = (detector.kind, spec.features, spec.window, spec.stride, spec.interval_ms)
    kind, _ = DETECTORS.current(manifest.detector)
    expected = (kind, manifest.features, manifest.window, manifest.stride, manifest.interval_ms)
    if found != expected:
        raise ModelError(f"{where}: the artifact is {found}, the manifest says {expected}")
    if (globs := sum(map(has_wildcard, manifest.series))) > _MAX_WILDCARDS:
        raise ModelError(f"{where}: {globs} series patterns with wildcards; expected at most {_MAX_WILDCARDS}")
    _check(spec, where)
    rollout_of(manifest)
    model = LoadedModel(
        manifest,
        detector,
        threshold_from_params(manifest.threshold),
        Calibration.from_params(manifest.calibration) if manifest.calibration else None,
        read_model_alerts(manifest.alerts),
        artifact.read_counters(content),
    )
    model.threshold.past = artifact.read_past(content, model.threshold)
    if model.series_bytes > _MAX_SERIES_BYTES:
        kept = f"window, detector and threshold keep {model.series_bytes} bytes of each series"
        raise ModelError(f"{where}: {kept}; expected at most {_MAX_SERIES_BYTES}: take a shorter window")
    _smoke_test(model, where, artifact.series_in(content)[:_SMOKE_TEST_WINDOWS])
    return model


def _check(spec: WindowSpec, where: str) -> None:
    """Refuse windows that the job could not keep; the manifest has checked what it carries itself."""
    if spec.gap_policy not in get_args(GapPolicy):
        raise ModelError(f"{where}: gap_policy {spec.gap_policy!r}: expected one of {', '.join(get_args(GapPolicy))}")
    if not isinstance(spec.max_gap, int) or not 0 <= spec.max_gap <= _MAX_GAP:
        raise ModelError(f"{where}: max_gap {spec.max_gap!r}: expected a whole number from 0 to {_MAX_GAP}")
    if len(set(spec.features)) < len(spec.features):
        raise ModelError(f"{where}: features {', '.join(spec.features)}: expected each once")


def _smoke_test(model: LoadedModel, where: str, names: Sequence[str] = ()) -> None:
    """Score and explain made-up windows, so that a model that fails or never gives a number is refused at once."""
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
        doing = "score missing, constant or far values"
        _try_rough(detector, batch, names)
    except ModelError:
        raise
    except Exception as error:  # whatever a broken artifact provokes, it must not stop the job
        raise ModelError(f"{where}: cannot {doing}: {type(error).__name__}: {error}") from error


def _try_rough(detector: Detector, batch: WindowBatch, names: Sequence[str]) -> None:
    """Score what a stream brings besides noise, on series that training has seen, too; errors are the caller's."""
    binding = detector.bind([*names, *(f"{_UNSEEN}-{i}" for i in range(len(batch)))][: len(batch)])
    state, end = detector.initial_state(len(batch)), batch.end[-1:].repeat(len(batch))
    holes = np.where(np.random.default_rng(1).random(batch.values.shape) < _HOLES, np.nan, batch.values)
    rough = (holes, np.full_like(holes, np.nan), np.full_like(holes, _FAR), np.zeros_like(holes), batch.values * _FAR)
    with np.errstate(all="ignore"):
        for number, values in enumerate(rough):
            ends = end + (1 + number) * _LONG_MS
            detector.score(WindowBatch(values.copy(), batch.imputed, ends, binding, state))


def _within_time_limit(detector: Detector, batch: WindowBatch, where: str) -> Floats:
    """Score twice: only the second time counts, the first may compile. CPU time, so a busy machine does not matter."""
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
