"""VUS-PR and VUS-ROC: threshold-free metrics that tolerate where exactly in an event a detector reacts.

After Paparrizos et al. 2022, "Volume Under the Surface", PVLDB 15(11): every anomalous span gets a buffer of l points
to either side in which the label falls from 1 towards 0 as sqrt(1 - d/l); range-AUC is computed for this soft label,
with the recall also counting spans that were touched at all; the volume is the mean over l = 0 … window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detector import Bools, Floats

_THRESHOLDS = 250  # points on each curve, at equal ranks of the scores, as in the authors' code


@dataclass(frozen=True)
class Volumes:
    """VUS-PR and VUS-ROC, both in [0, 1]; chance is the share of soft positives, and one half."""

    pr: float
    roc: float


def spans(labels: Bools) -> list[tuple[int, int]]:
    """(first, last) of each run of True, both included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(labels, int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def soft_labels(labels: Bools, buffer: int) -> Floats:
    """(n,) in [0, 1]: 1 in the spans, sqrt(1 - d/buffer) at distance d outside, d < buffer // 2."""
    soft = np.asarray(labels, float).copy()
    n = len(soft)
    for first, last in spans(labels):
        reach = buffer // 2
        for d in range(1, reach + 1):
            worth = np.sqrt(1 - d / max(buffer, 1))
            for at in (first - d, last + d):
                if 0 <= at < n:
                    soft[at] = min(soft[at] + worth, 1.0)
    return soft


def range_auc(labels: Bools, scores: Floats, buffer: int) -> Volumes:
    """Range-AUC for one buffer length."""
    soft = soft_labels(labels, buffer)
    hard = np.asarray(labels, bool)
    touched_spans = spans(soft > 0)
    order = np.sort(scores)[::-1]
    ranks = np.linspace(0, len(scores) - 1, _THRESHOLDS).astype(int)
    tpr, fpr, precision = [0.0], [0.0], [1.0]
    for limit in order[ranks]:
        flagged = scores >= limit
        worth = np.where(hard, 1.0, soft * flagged)  # of the soft edge only what was flagged counts as positive
        hits = float(worth[flagged].sum())
        total = (hard.sum() + worth.sum()) / 2
        existence = sum(bool(flagged[a : b + 1].any()) for a, b in touched_spans) / max(len(touched_spans), 1)
        count = int(flagged.sum())
        tpr.append(min(hits / total, 1.0) * existence)
        fpr.append((count - hits) / max(len(scores) - total, 1e-12))
        precision.append(hits / count)
    tpr.append(1.0)
    fpr.append(1.0)
    roc = float(np.sum(np.diff(fpr) * (np.array(tpr[1:]) + np.array(tpr[:-1])) / 2))
    pr = float(np.sum(np.diff(tpr[:-1]) * np.array(precision[1:])))
    return Volumes(pr, roc)


def volumes(labels: Bools, scores: Floats, window: int) -> Volumes:
    """Mean range-AUC over buffers 0 … ``window``; NaN scores count as 0.

    Args:
        labels: (n,) True in anomalies.
        scores: (n,) high is anomalous.
        window: longest buffer, points (the benchmark's "sliding window").
    """
    known = np.nan_to_num(scores)
    each = [range_auc(labels, known, buffer) for buffer in range(window + 1)]
    return Volumes(float(np.mean([v.pr for v in each])), float(np.mean([v.roc for v in each])))
