"""Compute VUS-PR and VUS-ROC: threshold-free metrics that tolerate where in an event a detector reacts.

After Paparrizos et al. 2022, "Volume Under the Surface", PVLDB 15(11): every anomalous span gets a buffer of l points
to either side in which the label falls from 1 towards 0 as sqrt(1 - d/l); range-AUC is computed for this soft label,
where the recall also counts spans that were touched at all; the volume is the mean over l = 0 … window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints

_THRESHOLDS = 250  # points on each curve, at equal ranks of the scores, as in the authors' code


@dataclass(frozen=True)
class Volumes:
    """Hold VUS-PR and VUS-ROC, both in [0, 1]; chance is the share of soft positives, and one half."""

    pr: float
    roc: float


def spans(labels: Bools) -> list[tuple[int, int]]:
    """Return (first, last) of each run of True, both included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(labels, int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def soft_labels(labels: Bools, buffer: int) -> Floats:
    """Return (n,) in [0, 1]: 1 in the spans, sqrt(1 - d/buffer) at distance d outside, d < buffer // 2."""
    soft = np.asarray(labels, float).copy()
    n = len(soft)
    reach = np.arange(1, buffer // 2 + 1)
    worth = np.sqrt(1 - reach / max(buffer, 1))
    for first, last in spans(labels):
        for at in (first - reach, last + reach):
            inside = (at >= 0) & (at < n)
            soft[at[inside]] = np.minimum(soft[at[inside]] + worth[inside], 1.0)
    return soft


def range_auc(labels: Bools, scores: Floats, buffer: int) -> Volumes:
    """Compute the range-AUC for one buffer length."""
    return _range_auc(np.asarray(labels, bool), scores, np.argsort(-scores, kind="stable"), buffer)


def _range_auc(hard: Bools, scores: Floats, order: Ints, buffer: int) -> Volumes:
    soft = soft_labels(hard, buffer)
    limits = scores[order][np.linspace(0, len(scores) - 1, _THRESHOLDS).astype(int)]
    count = np.searchsorted(-scores[order], -limits, side="right")  # rows at or above each limit
    hits = np.cumsum(soft[order])[count - 1]
    edge = np.cumsum(np.where(hard, 0.0, soft)[order])[count - 1]  # only the flagged part of the soft edge is positive
    total = hard.sum() + edge / 2
    peaks = np.sort([scores[a : b + 1].max() for a, b in spans(soft > 0)])
    touched = len(peaks) - np.searchsorted(peaks, limits, side="left")
    tpr = np.concatenate([[0.0], np.minimum(hits / total, 1.0) * touched / max(len(peaks), 1), [1.0]])
    fpr = np.concatenate([[0.0], (count - hits) / np.maximum(len(scores) - total, 1e-12), [1.0]])
    precision = np.concatenate([[1.0], hits / count])
    roc = float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2))
    pr = float(np.sum(np.diff(tpr[:-1]) * precision[1:]))
    return Volumes(pr, roc)


def volumes(labels: Bools, scores: Floats, window: int) -> Volumes:
    """Compute the mean range-AUC over buffers 0 … ``window``; NaN scores count as the lowest.

    Args:
        labels: (n,) True in anomalies, at least one of them.
        scores: (n,) high is anomalous.
        window: longest buffer, points (the benchmark's "sliding window").
    """
    finite = np.isfinite(scores)
    known = np.where(finite, scores, scores[finite].min() if finite.any() else 0.0)
    hard, order = np.asarray(labels, bool), np.argsort(-known, kind="stable")
    each = [_range_auc(hard, known, order, buffer) for buffer in range(window + 1)]
    return Volumes(float(np.mean([v.pr for v in each])), float(np.mean([v.roc for v in each])))
