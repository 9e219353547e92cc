"""Make what the engine reports to people: alert messages, and points for the dashboard with the expected band."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from eddy.alert import WINDOW_FEATURES, WINDOW_POINTS, Alert, AlertState, incident_id, severity_level
from eddy.models.alerting.confidence import confidence
from eddy.models.alerting.incidents import NO_POINT, Incident, Transition
from eddy.models.core.detector import Bools, Explanation, FarthestPoint, Floats, Ints, WindowBatch
from eddy.models.engine.scorer import ModelScorer, ScoredBatch
from eddy.redis_layout import Point

_DIGITS = 6  # of the values of an alert's window


class Closing(NamedTuple):
    """The "closed" message of an incident that nothing will score any more; ``shadow``: it was a shadow alert."""

    alert: Alert
    shadow: bool


def alert_of(transition: Transition, scorer: ModelScorer, series: str, now: int, job: str) -> Alert:
    """Make the message for an incident's transition, with the values and the band at its highest score so far."""
    incident, manifest, known = transition.incident, scorer.model.manifest, scorer.incidents.evidence
    closed, identity = transition.state == "closed", incident_id(series, manifest.name, incident.start)
    evidence = known.pop(transition.row, {}) if closed else known.get(transition.row, {})
    return _alert(
        incident,
        evidence,
        "update" if transition.state == "peak" else transition.state,
        series,
        identity,
        model={"name": manifest.name, "version": manifest.version, "sha256": manifest.sha256},
        detector=manifest.detector,
        detected_at=now,
        job=job,
        group=scorer.alert_rules.group_of(incident.start),
        acknowledged=scorer.feedback.acknowledged(transition.row, identity),
        settings_digest=scorer.alert_rules.digests[scorer.rules_of[transition.row]],
    )


def _alert(
    incident: Incident, evidence: Mapping[str, Any], state: AlertState, series: str, identity: str, **more: Any
) -> Alert:
    return Alert(
        id=identity,
        series=series,
        state=state,
        start=incident.start,
        end=incident.end,
        score=incident.peak,
        threshold=incident.limit,
        severity=incident.severity,
        severity_word=severity_level(incident.severity),
        points=incident.points,
        imputed=evidence.get("imputed", 0),
        points_ago=evidence.get("points_ago", 0),
        values=evidence.get("values", {}),
        expected=evidence.get("expected", {}),
        lower=evidence.get("lower", {}),
        upper=evidence.get("upper", {}),
        attribution=evidence.get("attribution", {}),
        confidence=evidence.get("confidence", 1.0),
        window=evidence.get("window"),
        unusual=evidence.get("unusual", ""),
        increases=tuple(evidence.get("increases", ())),
        return_period_s=evidence.get("return_period_s"),
        suppressed=incident.suppressed,
        **more,
    )


def closed_without_model(
    incident: Incident,
    evidence: Mapping[str, Any],
    series: str,
    model: dict[str, Any],
    *,
    detector: str,
    job: str,
    group: str | None,
    acknowledged: bool,
) -> Closing:
    """Close an incident whose model was withdrawn before it was loaded again; ``model``: its name, version, sha256."""
    identity = incident_id(series, model["name"], incident.start)
    more = {"model": model, "detector": detector, "job": job, "group": group, "acknowledged": acknowledged}
    return Closing(_alert(incident, evidence, "closed", series, identity, detected_at=0, **more), incident.recorded)


def close_incident(scorer: ModelScorer, row: int, series: str, job: str) -> list[Closing]:
    """Close the open incident of a row that is given up, if it has one, and forget what its tracker knows of it."""
    incident = scorer.incidents.open.get(row)
    closing = []
    if incident is not None:
        transition = Transition("closed", row, NO_POINT, incident)
        closing.append(Closing(alert_of(transition, scorer, series, 0, job), incident.recorded))
    scorer.incidents.clear(row)
    return closing


def context_of(scored: ScoredBatch, scorer: ModelScorer) -> dict[int, dict[str, Any]]:
    """Describe values and band where incidents opened or rose, by index of the transition; one call for all."""
    found = [k for k, transition in enumerate(scored.transitions) if transition.at != NO_POINT]
    if not found:
        return {}
    at = np.array([scored.transitions[k].at for k in found], np.int64)
    batch = scored.take(at)
    explanation = scorer.explain(batch, scored.limits[at])
    manifest = scorer.model.manifest
    features, seen = manifest.features, np.array([scored.seen[k] for k in found], np.int64)
    sure = confidence(batch.values, batch.imputed, seen, batch.binding >= 0)
    shown = _shown(batch, explanation, scorer.farthest(batch, scored.limits[at]))
    columns = [_all_by_feature(features, values) for values in (*shown[1:], explanation.attribution)]
    windows = _windows(batch, explanation.attribution, features, manifest.interval_ms)
    unusual = [""] * len(found)
    inside = np.flatnonzero(~_out_of_band(shown))
    if len(inside):
        for row, text in zip(inside.tolist(), scorer.unusual(batch.take(inside)), strict=True):
            unusual[row] = text
    imputed, periods = batch.imputed.sum(axis=1).tolist(), scored.periods[at].tolist()
    increases = _increases(scorer, scored.rows[at])
    return {
        k: {
            "imputed": filled,
            "points_ago": ago,
            "values": values,
            "expected": expected,
            "lower": lower,
            "upper": upper,
            "attribution": attribution,
            "confidence": round(share, 3),
            "window": window,
            "unusual": text,
            "return_period_s": round(period) if math.isfinite(period) else None,
            "increases": own,
        }
        for k, filled, ago, values, expected, lower, upper, attribution, share, window, text, period, own in zip(
            found,
            imputed,
            shown.ago.tolist(),
            *columns,
            sure.tolist(),
            windows,
            unusual,
            periods,
            increases,
            strict=True,
        )
    }


class _Shown(NamedTuple):
    """Points that alerts show: how long ago they were, (n,) points, and (n, F) values with what was expected."""

    ago: Ints
    values: Floats
    expected: Floats
    lower: Floats
    upper: Floats


def _shown(batch: WindowBatch, newest: Explanation, farthest: FarthestPoint | None) -> _Shown:
    """Choose what to show of each window: the point that contributes most if it is out of its band, else the newest."""
    ago = np.zeros(len(batch), np.int64)
    shown = _Shown(ago, batch.values[:, -1], newest.expected, newest.lower, newest.upper)
    if farthest is None:
        return shown
    other = _Shown(farthest.ago, farthest.values, farthest.expected, farthest.lower, farthest.upper)
    out = _out_of_band(other)
    ago = np.where(out, other.ago, ago)
    return _Shown(ago, *(np.where(out[:, None], a, b) for a, b in zip(other[1:], shown[1:], strict=True)))


def _out_of_band(shown: _Shown) -> Bools:
    """Return (n,) whether any value shown lies outside its band."""
    return np.asarray(((shown.values < shown.lower) | (shown.values > shown.upper)).any(axis=1))


def _windows(batch: WindowBatch, shares: Floats, features: Sequence[str], interval_ms: int) -> Iterator[dict[str, Any]]:
    """Cut the newest points of windows, of the features with the largest shares; see ``eddy.alert.Alert.window``."""
    values, imputed = _six_digits(batch.values[:, -WINDOW_POINTS:]), batch.imputed[:, -WINDOW_POINTS:]
    if len(features) <= WINDOW_FEATURES:
        chosen = np.broadcast_to(np.arange(len(features)), shares.shape)
    else:
        chosen = np.sort(np.argsort(-np.nan_to_num(shares), axis=1, kind="stable")[:, :WINDOW_FEATURES], axis=1)
    whole = bool(np.isfinite(values).all())
    before = (values.shape[1] - 1) * interval_ms
    parts = zip(batch.end.tolist(), chosen.tolist(), values.transpose(0, 2, 1).tolist(), strict=True)
    for (end, kept, points), filled in zip(parts, imputed.astype(int).tolist(), strict=True):
        yield {
            "start": end - before if interval_ms else None,
            "end": end,
            "interval_ms": interval_ms or None,
            "size": batch.values.shape[1],
            "values": {features[f]: points[f] if whole else [_number(value) for value in points[f]] for f in kept},
            "imputed": filled,
        }


def points_of(
    scorer: ModelScorer,
    rows: Ints,
    batch: WindowBatch,
    scores: Floats,
    limits: Floats,
    names: Sequence[str],
    known: Bools | None = None,
) -> list[Point]:
    """Make points of scored windows; one call to the detector for all of them.

    Args:
        scorer: of the windows.
        rows, batch, scores, limits, names: of n windows.
        known: (n,) whether ``batch.state`` is that before each window, so that there is a band; None: all are.
    """
    if not len(rows):
        return []
    manifest = scorer.model.manifest
    explanation = scorer.explain(batch, limits)
    band = [explanation.expected, explanation.lower, explanation.upper]
    if known is not None and not known.all():
        band = [np.where(known[:, None], each, np.nan) for each in band]
    shown = (batch.values[:, -1], *band)
    fresh = (scorer.binding[rows] < 0) & (scorer.store.points[rows] < scorer.model.detector.warm_up)
    judged = np.where(np.isnan(scores), "unscored", np.where(scores > limits, "anomalous", "ok"))
    states = np.where(fresh, "warming", judged).tolist()
    for k, row in enumerate(rows.tolist() if scorer.incidents.open else ()):
        if states[k] in ("ok", "unscored") and row in scorer.incidents.open:
            states[k] = "open"
    ends, imputed = batch.end.tolist(), batch.imputed.sum(axis=1).tolist()
    columns = [_all_by_feature(manifest.features, values) for values in shown]
    numbers = [[_number(value) for value in values.tolist()] for values in (scores, limits)]
    scorers = [manifest.name] * len(rows), [manifest.version] * len(rows)
    more = imputed, _increases(scorer, rows)
    return [Point._make(one) for one in zip(names, ends, *columns, *numbers, states, *scorers, *more, strict=True)]


def _increases(scorer: ModelScorer, rows: Ints) -> list[tuple[str, ...]]:
    """Name the features of each of some rows whose increase was scored."""
    if scorer.counters is None or not scorer.increases[rows].any():
        return [()] * len(rows)
    features = scorer.model.manifest.features
    return [tuple(np.array(features)[own].tolist()) for own in scorer.increases[rows]]


def _all_by_feature(features: Sequence[str], values: Floats) -> list[dict[str, float | None]]:
    """Do as :func:`_by_feature` for many points."""
    if np.isfinite(values).all():
        return [dict(zip(features, row, strict=True)) for row in values.tolist()]
    return [_by_feature(features, row) for row in values]


def _by_feature(features: Sequence[str], values: Floats) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(features, values.tolist(), strict=True)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _six_digits(values: Floats) -> Floats:
    """Round to six digits: enough to draw, and the window is what makes an alert large.

    Whole numbers times or over an exact power of ten: each is the double nearest to its decimal form.
    """
    with np.errstate(all="ignore"):
        power = _DIGITS - 1 - np.floor(np.log10(np.abs(values)))
        up, down = 10.0 ** np.maximum(power, 0), 10.0 ** np.maximum(-power, 0)
        short = np.rint(values * up / down) * down / up
    return np.where(np.isfinite(short), short, values)
