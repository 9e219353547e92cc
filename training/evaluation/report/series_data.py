"""Prepare the report's plots as plain numbers, down-sampled by minimum and maximum, so that no spike is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.recording import Recording
from eddy.training.evaluation.metrics.event_metrics import event_metrics, match_events
from eddy.training.evaluation.runs.bands import Band, band_at
from eddy.training.fitting.causal_run import CausalRun

_COLUMNS = 500  # columns of a plot
_BAND_ROWS = 200  # rows of a series at which the expected band is computed
_CASES = 10  # per detector: so many misses, and as many false alarms
_AROUND = 80  # rows shown on either side of a case
_CASE_POINTS = 260
_LEVELS = DEFAULT_LIMIT * np.geomspace(0.25, 8, 17)
_RATIOS = np.linspace(-6, 4, 41)  # binary logarithm of raw score over its limit


def series_data(recording: Recording) -> dict[str, Any]:
    """Describe one series: its features' lowest and highest value per column, and its events."""
    edges = _edges(len(recording.ts))
    return {
        "name": recording.name,
        "from": recording.ts[edges[:-1]].tolist(),
        "end": int(recording.ts[-1]),
        "start": int(recording.ts[min(recording.start, len(recording.ts) - 1)]),
        "features": [
            {
                "name": name,
                "low": _rounded(_reduced(np.fmin, recording.values[:, f], edges)),
                "high": _rounded(_reduced(np.fmax, recording.values[:, f], edges)),
            }
            for f, name in enumerate(recording.features)
        ],
        "events": [[int(recording.ts[e.first]), int(recording.ts[e.last]), e.kind] for e in recording.events],
    }


def detector_data(recordings: Sequence[Recording], runs: Sequence[CausalRun], grace: int, quiet: int) -> dict[str, Any]:
    """Describe one detector over all series: scores, bands, alerts, sweep, distribution, cases, losses."""
    flagged = [run.deviates >= DEFAULT_LIMIT for run in runs]
    cases = _cases(recordings, runs, flagged, grace, quiet)
    per_series = []
    bands: list[Band | None] = []
    for i, (recording, run, flags) in enumerate(zip(recordings, runs, flagged, strict=True)):
        n = len(recording.ts)
        wanted = [np.arange(0, n, max(n // _BAND_ROWS, 1))] + [_case_rows(c, n) for c in cases if c["at"] == i]
        band = band_at(run, recording, np.unique(np.concatenate(wanted)))
        bands.append(band)
        edges = _edges(n)
        matched = match_events(recording, flags, grace, quiet)
        per_series.append(
            {
                "score": _rounded(_reduced(np.fmax, run.deviates / DEFAULT_LIMIT, edges)),
                "alerts": [
                    [int(recording.ts[a]), int(recording.ts[b]), int(false)]
                    for (a, b), false in zip(matched.alerts, matched.false, strict=True)
                ],
                "band": _band(recording, band, np.arange(0, n, max(n // _BAND_ROWS, 1))),
            }
        )
    return {
        "series": per_series,
        "sweep": _sweep(recordings, runs, grace, quiet),
        "distribution": _distribution(recordings, runs),
        "cases": [_case(recordings, runs, bands, c) for c in cases],
        "losses": [
            {"series": r.name, "epochs": run.history} for r, run in zip(recordings, runs, strict=True) if run.history
        ],
    }


def _edges(n: int) -> Ints:
    return np.unique(np.linspace(0, n, min(_COLUMNS, n) + 1).astype(np.int64))


def _reduced(by: np.ufunc, values: Floats, edges: Ints) -> Floats:
    return np.asarray(by.reduceat(values, edges[:-1]))


def _rounded(values: Floats) -> list[float | None]:
    """Round to four significant digits, more than a plot shows."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist()]


def _band(recording: Recording, band: Band | None, rows: Ints) -> dict[str, Any] | None:
    if band is None:
        return None
    kept = np.isin(band.rows, rows)
    return {
        "t": recording.ts[band.rows[kept]].tolist(),
        "features": [
            {part: _rounded(getattr(band, part)[kept, f]) for part in ("expected", "lower", "upper")}
            for f in range(len(recording.features))
        ],
    }


def _sweep(recordings: Sequence[Recording], runs: Sequence[CausalRun], grace: int, quiet: int) -> dict[str, Any]:
    found = [event_metrics(recordings, [run.deviates >= level for run in runs], grace, quiet) for level in _LEVELS]
    return {
        "level": _rounded(_LEVELS / DEFAULT_LIMIT),
        "recall": _rounded(np.array([f.recall for f in found])),
        "precision": _rounded(np.array([f.precision for f in found])),
        "f1": _rounded(np.array([f.f1 for f in found])),
        "false_per_day": _rounded(np.array([f.false_per_day for f in found])),
    }


def _distribution(recordings: Sequence[Recording], runs: Sequence[CausalRun]) -> dict[str, Any]:
    """Return the shares of normal and of labelled rows by raw score over limit."""
    ratios, truths = [], []
    for recording, run in zip(recordings, runs, strict=True):
        part = slice(recording.start, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log2(np.maximum(run.raw[part], 0) / run.raw_limits[part])
        known = ~np.isnan(ratio)
        ratios.append(np.clip(ratio[known], _RATIOS[0], _RATIOS[-1]))
        truths.append(recording.truth[part][known])
    ratio, truth = np.concatenate([*ratios, np.zeros(0)]), np.concatenate([*truths, np.zeros(0, bool)])

    def share(rows: Bools) -> list[float | None]:
        counts, _ = np.histogram(ratio[rows], _RATIOS)
        return _rounded(counts / max(int(rows.sum()), 1))

    return {"edges": _rounded(_RATIOS), "normal": share(~truth), "labelled": share(truth)}


def _cases(
    recordings: Sequence[Recording], runs: Sequence[CausalRun], flagged: Sequence[Bools], grace: int, quiet: int
) -> list[dict[str, Any]]:
    """Choose the misses with the lowest scores and the false alarms with the highest."""
    missed: list[dict[str, Any]] = []
    false: list[dict[str, Any]] = []
    for i, (recording, run, flags) in enumerate(zip(recordings, runs, flagged, strict=True)):
        matched = match_events(recording, flags, grace, quiet)
        for event, row in zip(matched.events, matched.first, strict=True):
            if row < 0:
                top = float(run.deviates[event.first : event.last + 1].max())
                missed.append(
                    {"what": "missed", "at": i, "span": (event.first, event.last), "top": top, "kind": event.kind}
                )
        for (a, b), wrong in zip(matched.alerts, matched.false, strict=True):
            if wrong:
                top = float(run.deviates[a : b + 1].max())
                false.append({"what": "false alarm", "at": i, "span": (a, b), "top": top, "kind": ""})
    return sorted(missed, key=lambda c: c["top"])[:_CASES] + sorted(false, key=lambda c: -c["top"])[:_CASES]


def _case_rows(case: Mapping[str, Any], n: int) -> Ints:
    first, last = case["span"]
    rows = np.arange(max(first - _AROUND, 0), min(last + _AROUND + 1, n))
    return rows[:: -(-len(rows) // _CASE_POINTS)]


def _case(
    recordings: Sequence[Recording], runs: Sequence[CausalRun], bands: Sequence[Band | None], case: Mapping[str, Any]
) -> dict[str, Any]:
    i = int(case["at"])
    recording, run, band = recordings[i], runs[i], bands[i]
    rows, values = (
        _case_rows(case, len(recording.ts)),
        recording.values if run.scored_values is None else run.scored_values,
    )
    first, last = case["span"]
    feature = 0
    if len(recording.features) > 1:  # choose the feature that moved furthest relative to its usual size
        usual = np.nanstd(values[: recording.start], axis=0)
        inside = values[first : last + 1] - np.nanmedian(values[rows], axis=0)
        feature = int(
            np.nanargmax(np.nan_to_num(np.nanmax(np.abs(inside), axis=0) / np.where(usual > 0, usual, np.inf)))
        )
    return {
        "what": case["what"], "kind": case["kind"], "series": recording.name, "feature": recording.features[feature],
        "top": _rounded(np.array([case["top"] / DEFAULT_LIMIT]))[0],
        "t": recording.ts[rows].tolist(), "span": [int(recording.ts[first]), int(recording.ts[last])],
        "value": _rounded(values[rows, feature]), "score": _rounded(run.deviates[rows] / DEFAULT_LIMIT),
        "events": [
            [int(recording.ts[e.first]), int(recording.ts[e.last]), e.kind]
            for e in recording.events
            if e.last >= rows[0] and e.first <= rows[-1]
        ],
        "band": _case_band(recording, band, rows, feature),
    }  # fmt: skip


def _case_band(recording: Recording, band: Band | None, rows: Ints, feature: int) -> dict[str, Any] | None:
    if band is None:
        return None
    kept = np.isin(band.rows, rows)
    parts = {part: _rounded(getattr(band, part)[kept, feature]) for part in ("expected", "lower", "upper")}
    return {"t": recording.ts[band.rows[kept]].tolist(), **parts}
