"""Compute all figures of one detector over some series, apart from a benchmark's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.recording import Recording
from eddy.training.evaluation.metrics.event_metrics import EventMetrics, event_metrics
from eddy.training.evaluation.metrics.point_adjusted import WARNING, PointAdjusted, point_adjusted
from eddy.training.evaluation.metrics.pointwise import Pointwise, pointwise, roc_auc
from eddy.training.evaluation.metrics.vus import volumes
from eddy.training.fitting.causal_run import CausalRun

VUS_WINDOW = 125  # points: the benchmark's "sliding window" on NYC taxi, used for all series


@dataclass(frozen=True)
class Figures:
    """Hold figures with the shipped threshold, except for the three threshold-free ones.

    Attributes:
        events: event-wise figures.
        rows: row-wise figures, all series together.
        roc_auc, vus_pr, vus_roc: of the raw scores, mean over the series that have both classes; NaN without any.
        adjusted: point-adjusted F1, and that of random scores.
        per_series: series -> its own ``events``, ``found``, ``false``, ``vus_pr``, ``vus_roc``, ``roc_auc``.
    """

    events: EventMetrics
    rows: Pointwise
    roc_auc: float
    vus_pr: float
    vus_roc: float
    adjusted: PointAdjusted
    per_series: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the point-adjusted figure always comes with its warning."""
        e = self.events
        return {
            "events": {
                "labelled": e.events, "found": e.found, "alerts": e.alerts, "false_alerts": e.false,
                "precision": e.precision, "recall": e.recall, "f1": e.f1,
                "false_per_day": e.false_per_day, "false_per_1000_points": e.false_per_thousand,
                "median_delay_points": e.median_delay, "median_delay_minutes": e.median_delay_minutes,
                "series_days": e.days, "points": e.points,
                "by_kind": {k: {"found": f, "labelled": n} for k, (f, n) in (e.by_kind or {}).items()},
            },
            "rows": asdict(self.rows),
            "roc_auc": self.roc_auc, "vus_pr": self.vus_pr, "vus_roc": self.vus_roc,
            "point_adjusted": {"f1": self.adjusted.f1, "random_scores": self.adjusted.random, "warning": WARNING},
            "per_series": self.per_series,
        }  # fmt: skip


def figures(
    recordings: Sequence[Recording],
    runs: Sequence[CausalRun],
    grace: int = 0,
    vus_window: int = VUS_WINDOW,
    limit: float = DEFAULT_LIMIT,
    quiet: int = 1,
) -> Figures:
    """Compute the figures of a detector's runs, in the order of the recordings.

    Args:
        recordings: the series with their events.
        runs: one run per recording.
        grace: rows after an event at which an alert still counts for it.
        vus_window: longest buffer of VUS, points.
        limit: deviate from which a row is flagged.
        quiet: number of unflagged rows that end an alert.
    """
    flagged = [run.deviates >= limit for run in runs]
    scored = [slice(r.start, None) for r in recordings]
    truths = [r.truth[part] for r, part in zip(recordings, scored, strict=True)]
    per_series: dict[str, dict[str, float]] = {}
    for recording, run, part, truth, flags in zip(recordings, runs, scored, truths, flagged, strict=True):
        own = event_metrics([recording], [flags], grace, quiet)
        raw = run.raw[part]
        both = bool(truth.any()) and not truth.all() and bool(np.isfinite(raw).any())
        surface = volumes(truth, raw, vus_window) if both else None
        per_series[recording.name] = {
            "events": own.events, "found": own.found, "alerts": own.alerts, "false": own.false,
            "roc_auc": roc_auc(truth, raw),
            "vus_pr": surface.pr if surface else float("nan"), "vus_roc": surface.roc if surface else float("nan"),
        }  # fmt: skip

    def mean(name: str) -> float:
        known = [row[name] for row in per_series.values() if np.isfinite(row[name])]
        return float(np.mean(known)) if known else float("nan")

    rows = pointwise(
        np.concatenate([*truths, np.zeros(0, bool)]),
        np.concatenate([*(f[p] for f, p in zip(flagged, scored, strict=True)), np.zeros(0, bool)]),
    )
    scores = [run.deviates[part] for run, part in zip(runs, scored, strict=True)]
    return Figures(
        event_metrics(recordings, flagged, grace, quiet), rows, mean("roc_auc"), mean("vus_pr"), mean("vus_roc"),
        point_adjusted(truths, scores), per_series,
    )  # fmt: skip
