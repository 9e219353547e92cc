"""What leaves the engine for people: alert messages and points for the page, with what the model expected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from eddy.alert import WINDOW_FEATURES, WINDOW_POINTS, Alert, AlertState, incident_id, severity_word
from models.confidence import confidence
from models.detector import Explanation, Floats, Ints, WindowBatch
from models.incidents import NO_POINT, Transition
from models.judge import Judge, Judged


class Point(NamedTuple):
    """A scored point of a series.

    Attributes:
        series, ts: which point; epoch ms.
        values, expected, lower, upper: per feature; None = missing or no opinion.
        score, limit: None where the detector could not say.
        state: ``"anomalous"`` above the limit, ``"open"`` below it with an incident open, ``"warming"`` while the
            first points of a series are collected, else ``"ok"``.
        model, version: who judged.
        imputed: how many points of the window were filled in.
    """

    series: str
    ts: int
    values: Mapping[str, float | None]
    expected: Mapping[str, float | None]
    lower: Mapping[str, float | None]
    upper: Mapping[str, float | None]
    score: float | None
    limit: float | None
    state: str
    model: str
    version: int
    imputed: int


def alert_of(transition: Transition, judge: Judge, series: str, now: int, job: str) -> Alert:
    """The message for an incident's transition, with what was seen and expected at its highest score so far."""
    incident, manifest, known = transition.incident, judge.model.manifest, judge.incidents.evidence
    closed = transition.state == "closed"
    evidence = known.pop(transition.row, {}) if closed else known.get(transition.row, {})
    state: AlertState = "update" if transition.state == "peak" else transition.state
    number = incident_id(series, manifest.name, incident.start)
    return Alert(
        id=number,
        series=series,
        state=state,
        start=incident.start,
        end=incident.end,
        detected_at=now,
        score=incident.peak,
        threshold=incident.limit,
        severity=incident.severity,
        severity_word=severity_word(incident.severity),
        points=incident.points,
        imputed=evidence.get("imputed", 0),
        values=evidence.get("values", {}),
        expected=evidence.get("expected", {}),
        lower=evidence.get("lower", {}),
        upper=evidence.get("upper", {}),
        attribution=evidence.get("attribution", {}),
        model={"name": manifest.name, "version": manifest.version, "sha256": manifest.sha256},
        detector=manifest.detector,
        job=job,
        acknowledged=judge.feedback.acknowledged(transition.row, number),
        confidence=evidence.get("confidence", 1.0),
        window=evidence.get("window"),
        suppressed=incident.suppressed,
        settings_digest=judge.book.digests[judge.rules_of[transition.row]],
    )


def evidence_of(judged: Judged, judge: Judge) -> dict[int, dict[str, Any]]:
    """What was seen and expected where incidents opened or rose, by index of the transition; one call for all."""
    found = [k for k, transition in enumerate(judged.transitions) if transition.at != NO_POINT]
    if not found:
        return {}
    at = np.array([judged.transitions[k].at for k in found], np.int64)
    batch = judged.batch.take(at)
    explanation = judge.model.detector.explain(batch, judged.limits[at])
    manifest = judge.model.manifest
    features, seen = manifest.features, np.array([judged.seen[k] for k in found], np.int64)
    sure = confidence(batch.values, batch.imputed, seen, batch.binding >= 0)
    return {
        k: {
            "imputed": int(batch.imputed[i].sum()),
            "values": _by_feature(features, batch.values[i, -1]),
            "expected": _by_feature(features, explanation.expected[i]),
            "lower": _by_feature(features, explanation.lower[i]),
            "upper": _by_feature(features, explanation.upper[i]),
            "attribution": _by_feature(features, explanation.attribution[i]),
            "confidence": round(float(sure[i]), 3),
            "window": _window(batch, i, explanation.attribution[i], features, manifest.interval_ms),
        }
        for i, k in enumerate(found)
    }


def _window(batch: WindowBatch, i: int, shares: Floats, features: Sequence[str], interval_ms: int) -> dict[str, Any]:
    """The newest points of a window, of the features with the largest shares; see ``eddy.alert.Alert.window``."""
    newest = slice(-WINDOW_POINTS, None)
    values, imputed = batch.values[i, newest], batch.imputed[i, newest]
    chosen = sorted(np.argsort(-np.nan_to_num(shares), kind="stable")[:WINDOW_FEATURES].tolist())
    end = int(batch.end[i])
    return {
        "start": end - (len(values) - 1) * interval_ms if interval_ms else None,
        "end": end,
        "interval_ms": interval_ms or None,
        "size": batch.values.shape[1],
        "values": {features[f]: [_short(value) for value in values[:, f].tolist()] for f in chosen},
        "imputed": imputed.astype(int).tolist(),
    }


def points_of(
    judge: Judge, rows: Ints, batch: WindowBatch, scores: Floats, limits: Floats, names: Sequence[str]
) -> list[Point]:
    """Scored windows as points; one call to the detector for all of them."""
    if not len(rows):
        return []
    manifest = judge.model.manifest
    explanation: Explanation = judge.model.detector.explain(batch, limits)
    shown = (batch.values[:, -1], explanation.expected, explanation.lower, explanation.upper)
    fresh = (judge.binding[rows] < 0) & (judge.store.points[rows] < judge.model.detector.warm_up)
    states = np.where(fresh, "warming", np.where(scores > limits, "anomalous", "ok")).tolist()
    for k, row in enumerate(rows.tolist() if judge.incidents.open else ()):
        if states[k] == "ok" and row in judge.incidents.open:
            states[k] = "open"
    ends, imputed = batch.end.tolist(), batch.imputed.sum(axis=1).tolist()
    columns = [_all_by_feature(manifest.features, values) for values in shown]
    numbers = [[_number(value) for value in values.tolist()] for values in (scores, limits)]
    judges = [manifest.name] * len(rows), [manifest.version] * len(rows)
    return [Point._make(one) for one in zip(names, ends, *columns, *numbers, states, *judges, imputed, strict=True)]


def _all_by_feature(features: Sequence[str], values: Floats) -> list[dict[str, float | None]]:
    """As :func:`_by_feature`, of many points."""
    if np.isfinite(values).all():
        return [dict(zip(features, row, strict=True)) for row in values.tolist()]
    return [_by_feature(features, row) for row in values]


def _by_feature(features: Sequence[str], values: Floats) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(features, values.tolist(), strict=True)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _short(value: float) -> float | None:
    """Six digits: enough to draw, and the window is what makes an alert large."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
