"""Fit a model that can be published from training series: detector, threshold, calibration, manifest."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from eddy.errors import DataError, SettingsError
from eddy.models.artifacts import artifact
from eddy.models.artifacts.calibration import Calibration
from eddy.models.artifacts.manifest import Manifest, ValueType
from eddy.models.catalog import DETECTORS, THRESHOLDS
from eddy.models.core.detector import Detector, FitReport, Floats, Progress, Series, WindowSpec, no_progress
from eddy.models.core.threshold import Threshold
from eddy.models.preprocessing.segments import by_name, measured
from eddy.models.thresholds.fixed import RULES, FixedThreshold
from eddy.models.thresholds.rate import RateThreshold
from eddy.models.thresholds.return_level import ReturnLevelThreshold
from eddy.models.windowing.sampling import mismatch, usual_step
from eddy.training.data.labels import Labels
from eddy.training.fitting.causal_run import FALSE_ALARMS_PER_WEEK, labelled_scores
from eddy.training.fitting.counter_series import counters_note, find_counters, with_increases

#: Anomalous points per normal point that the threshold ``tail`` aims at: about one in seven months of half-hours.
FALSE_RATE = 1e-4
_PAST_POINTS, _MIN_PAST_POINTS = 2_000_000, 2000  # training points that a threshold is taught; of each series at least
_MIN_SCORES = 100  # number of validation scores below which a tail cannot be estimated


@dataclass(frozen=True)
class ThresholdRule:
    """Choose the limit from validation scores; only ``f-beta`` uses labels.

    Attributes:
        name: ``tail`` (the score that ``false_rate`` of normal points exceed, by the calibration's tail); a rule of
            :class:`eddy.models.thresholds.fixed.FixedThreshold`: ``percentile``, ``max``, ``mean-std``, ``f-beta``;
            ``contamination``, the percentile 100·(1 - contamination), as in the original system; or the policy of a
            threshold of :data:`eddy.models.catalog.THRESHOLDS`, which may follow each series' scores.
        false_rate: for ``tail``.
        params: for the others, see each.
        labels: for ``f-beta``: the labelled spans of each series.
    """

    name: str = "tail"
    false_rate: float = FALSE_RATE
    params: Mapping[str, Any] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)

    def recipe(self) -> dict[str, Any]:
        """Return the rule as JSON-able data, without labels."""
        return {"name": self.name, "false_rate": self.false_rate, "params": dict(self.params)}

    def fit(self, scores: Mapping[str, Floats], calibration: Calibration) -> Threshold:
        """Fit the threshold to these validation scores."""
        params = dict(self.params)
        if self.name == "tail":
            _none_but(self.name, params, ())
            if not 0 < self.false_rate < 1:
                raise SettingsError(f"false rate: found {self.false_rate}, expected a number above 0 and below 1")
            return FixedThreshold(tail_limit(calibration, self.false_rate))
        if self.name == "contamination":
            share = float(params.pop("contamination"))
            return FixedThreshold.fit(scores, rule="percentile", q=100 * (1 - share), **params)
        if self.name in RULES:
            return FixedThreshold.fit(scores, rule=self.name, **params)
        if self.name not in threshold_names():
            raise SettingsError(f"threshold {self.name!r} is unknown; known: {', '.join(threshold_names())}")
        return THRESHOLDS.get(self.name).fit(scores, **params)

    def fit_labelled(self, detector: Detector, series: Sequence[Series]) -> Threshold:
        """Choose the threshold with the best F-beta on labelled series, scored by a fitted detector."""
        scores, labels = labelled_scores(detector, series, self.labels)
        return FixedThreshold.fit(scores, rule=self.name, labels=labels, **self.params)


def threshold_names() -> tuple[str, ...]:
    """Every name that a :class:`ThresholdRule` may have, sorted: rules of the fixed limit, and policies."""
    return tuple(sorted({"tail", "contamination", *RULES, *THRESHOLDS.names()} - {FixedThreshold.policy}))


def _none_but(name: str, params: Mapping[str, Any], known: Sequence[str]) -> None:
    for unknown in sorted({*params} - {*known}):
        raise SettingsError(f"threshold {name}: parameter {unknown!r} is unknown; known: {', '.join(known) or 'none'}")


def tail_limit(calibration: Calibration, rate: float) -> float:
    """Return the score that a share ``rate`` of normal points exceed, by the calibration's tail."""
    params = calibration.to_params()
    quantiles, excess = np.asarray(params["quantiles"]), float(params["mean_excess"])
    low, high = float(quantiles[0]), float(quantiles[-1]) + excess * max(-math.log(rate), 1.0) * 2
    for _ in range(60):  # the tail is monotone: halving reaches float64 precision
        middle = (low + high) / 2
        low, high = (middle, high) if calibration.tail(np.array([middle]))[0] > rate else (low, middle)
    return high


@dataclass(frozen=True)
class Trained:
    """Hold a fitted model: its manifest (without the artifact), the artifact, losses per epoch, and notes."""

    manifest: Manifest
    content: bytes
    history: list[dict[str, float]]
    notes: list[str]

    def publishable(self) -> Manifest:
        """Return the manifest with the artifact inline."""
        return self.manifest.with_artifact(self.content)


def usual_window(kind: str, interval_ms: int, configured: int) -> int:
    """Ask a detector how many points its windows have unless the user says otherwise.

    Raises:
        SettingsError: an unknown detector.
    """
    return DETECTORS.get(kind).usual_window(interval_ms, configured)


def fit_model(
    name: str,
    kind: str,
    series: Sequence[Series],
    spec: WindowSpec,
    *,
    patterns: Sequence[str] = ("*",),
    params: Mapping[str, Any] | None = None,
    rule: ThresholdRule | None = None,
    alerts: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
    scored: Sequence[Series] = (),
    previous: Detector | None = None,
    false_alarms_per_week: float | None = None,
    value_type: ValueType = "gauge",
) -> Trained:
    """Fit a detector on mostly normal series; its last part, held out, gives threshold and calibration.

    Without a ``rule`` the threshold keeps ``false_alarms_per_week``: of a detector with a limit of its own it is an
    upper bound. Where these are not given either, a detector may name its threshold; for all others it is one a week.
    ``scored`` are the series, or the later parts of them, on which a rule with labels chooses its limit. A detector
    that can be updated begins from ``previous``, the one in use. ``value_type`` says what is scored: ``auto``, the
    increases of the series that are counters, and the values of all others.

    Raises:
        DataError: there are not enough data; names the series, what was found and what is needed.
        SettingsError: a detector or parameter is unknown.
    """
    kind, params = DETECTORS.current(kind, params)
    started = time.monotonic()
    other_interval = interval_mismatch(series, spec)
    counters = find_counters(series, spec, value_type)
    if counters:
        series, scored = with_increases(series, spec, counters), with_increases(scored, spec, counters)
    try:
        detector, report = _fitted(DETECTORS.get(kind), series, spec, params, seed, progress, previous)
        pooled = _pooled(kind, report)
    except DataError as error:
        raise DataError(f"{error}; {other_interval}") if other_interval else error from None
    trained = {s.name for s in series}
    about_counters = counters_note(counters, spec, len(trained))
    notes = [*filter(None, (about_counters, other_interval)), *report.notes]
    calibration = Calibration.fit(pooled)
    unnamed = rule is None and false_alarms_per_week is None
    chosen = _own_rule(detector, series, spec) if unnamed else rule
    promise = {
        "alarms_per_week": false_alarms_per_week or FALSE_ALARMS_PER_WEEK,
        "interval_seconds": _step_seconds(series, spec),
    }
    if chosen is None:
        threshold: Threshold = promised(detector, report.scores, promise)
    elif chosen.labels:
        threshold = chosen.fit_labelled(detector, scored or series)
    elif chosen.name == RateThreshold.policy:
        threshold = replace(chosen, params={**promise, **chosen.params}).fit(report.scores, calibration)
    else:
        if chosen.name == ReturnLevelThreshold.policy:
            own = {"interval_seconds": promise["interval_seconds"], **chosen.params}
            chosen = replace(chosen, params=own)
        threshold = chosen.fit(report.scores, calibration)
    if threshold.learns_from_training:
        threshold.past = past_of(detector, series, threshold)
    content = artifact.dump(detector, threshold.past, counters if value_type == "auto" else None)
    metrics = {
        "series": len(trained),
        "points": sum(len(s.ts) for s in series),
        "validation_scores": len(pooled),
        "seconds": round(time.monotonic() - started, 2),
        "epochs": len(report.history),
        **({"validation_loss": min(h["validation_loss"] for h in report.history)} if report.history else {}),
        **({"notes": notes} if notes else {}),
        **({"counters": len(counters)} if counters else {}),
        **({"interval_mismatch": other_interval} if other_interval else {}),
    }
    manifest = Manifest(
        name=name,
        version=1,
        detector=kind,
        series=tuple(patterns),
        features=spec.features,
        window=detector.spec.window,  # some detectors fix their own window
        stride=detector.spec.stride,
        interval_ms=spec.interval_ms,
        threshold=threshold.to_params(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=artifact.sha256(content),
        calibration=calibration.to_params(),
        alerts=dict(alerts or {}),
        value_type=value_type,
        metrics=metrics,
        parameters=detector.describe(),
        training={
            "params": dict(params or {}),
            "seed": seed,
            **({"threshold": rule.recipe()} if rule else {}),
            **({"false_alarms_per_week": false_alarms_per_week} if not rule and false_alarms_per_week else {}),
        },
    )
    return Trained(manifest, content, report.history, notes)


def promised(detector: Detector, scores: Mapping[str, Floats], promise: Mapping[str, Any]) -> RateThreshold:
    """Return the threshold that keeps a promised rate, beside the detector's own limit where it has one.

    Args:
        detector: fitted.
        scores: its validation scores, per series.
        promise: parameters of :class:`~eddy.models.thresholds.rate.RateThreshold`.
    """
    own = detector.default_limit
    if own is not None:
        return RateThreshold(detector_limit=own, **promise)
    return RateThreshold.fit(scores, **promise)


def _step_seconds(series: Sequence[Series], spec: WindowSpec) -> float:
    """Return the usual time from one score of a series to the next, in seconds; 0: it is not known."""
    steps = [step for segments in by_name(series).values() if (step := usual_step(measured(segments).ts))]
    return spec.stride * (spec.interval_ms or float(np.median(steps or [0]))) / 1000.0


def _own_rule(detector: Detector, series: Sequence[Series], spec: WindowSpec) -> ThresholdRule | None:
    """Return the threshold that the detector names for itself, if it does."""
    steps = [usual_step(measured(own).ts) for own in by_name(series).values()]
    own = detector.default_threshold(spec.interval_ms or int(np.median(steps)))
    return ThresholdRule(own[0], params=own[1]) if own else None


def past_of(detector: Detector, series: Sequence[Series], threshold: Threshold) -> dict[str, Floats]:
    """Return the threshold's state of each series at the end of its training data, the newest points of which count."""
    own = by_name(series)
    most = max(_PAST_POINTS // max(len(own), 1), _MIN_PAST_POINTS)
    past = {}
    for name, segments in own.items():
        left, newest = most, []
        for segment in reversed(segments):
            first = max(len(segment.ts) - left, 0)
            newest.append(
                Series(name, segment.ts[first:], segment.values[first:], segment.imputed[first:]) if first else segment
            )
            left -= len(segment.ts) - first
            if left <= 0:
                break
        past[name] = threshold.taught(np.concatenate(detector.score_segments(newest[::-1])))
    return past


def _fitted(
    detector_class: type[Detector],
    series: Sequence[Series],
    spec: WindowSpec,
    params: Mapping[str, Any],
    seed: int,
    progress: Progress,
    previous: Detector | None,
) -> tuple[Detector, FitReport]:
    if isinstance(previous, detector_class) and previous.updates:
        return previous.updated(series, spec, params, seed, progress)
    return detector_class.fit(series, spec, params, seed, progress)


def _pooled(kind: str, report: FitReport) -> Floats:
    """Return the validation scores of all series; raise a DataError if they are too few."""
    pooled: Floats = np.concatenate([*report.scores.values(), np.zeros(0)])
    if len(pooled) < _MIN_SCORES:
        raise DataError(
            f"{kind}: {len(pooled)} validation scores, needed at least {_MIN_SCORES} to choose a threshold: "
            "give more training data"
        )
    return pooled


def interval_mismatch(series: Sequence[Series], spec: WindowSpec) -> str:
    """Say which series' points come at another interval than the windows expect; empty if they all fit."""
    found = [
        said
        for name, segments in by_name(series).items()
        if (said := mismatch(name, usual_step(measured(segments).ts), spec))
    ]
    return "" if not found else found[0] + (f" (and {len(found) - 1} more series)" if len(found) > 1 else "")
