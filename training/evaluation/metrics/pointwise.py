"""Compute the classic row-wise figures that older systems report. They expect every row of an event to be flagged.

An alerting detector raises one row at an event of hundreds, so its recall here is low by design; read the event-wise
figures for what users feel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn import metrics

from eddy.models.core.detector import Bools, Floats

NAMES = ("normal", "anomaly")


@dataclass(frozen=True)
class Pointwise:
    """Hold row-wise figures; NaN if a figure has nothing to count.

    Attributes:
        accuracy, precision, recall, specificity, f1: of the anomalous class (specificity: of the normal one).
        confusion: true negatives, false positives, false negatives, true positives.
        report: scikit-learn's classification report, as text.
    """

    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    confusion: tuple[int, int, int, int]
    report: str


def pointwise(truth: Bools, flagged: Bools) -> Pointwise:
    """Compare flagged rows (n,) with the true ones."""
    tn, fp, fn, tp = (int(v) for v in metrics.confusion_matrix(truth, flagged, labels=[False, True]).ravel())
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, flagged, labels=[True], average=None, zero_division=np.nan
    )
    report = metrics.classification_report(
        truth, flagged, labels=[False, True], target_names=NAMES, digits=3, zero_division=np.nan
    )
    return Pointwise(
        accuracy=float(metrics.accuracy_score(truth, flagged)) if len(truth) else float("nan"),
        precision=float(precision[0]),
        recall=float(recall[0]),
        specificity=tn / (tn + fp) if tn + fp else float("nan"),
        f1=float(f1[0]),
        confusion=(tn, fp, fn, tp),
        report=str(report),
    )


def roc_auc(truth: Bools, scores: Floats) -> float:
    """Return the area under the ROC curve; NaN scores count as the lowest; NaN if one class is missing."""
    finite = np.isfinite(scores)
    if truth.all() or not truth.any() or not finite.any():
        return float("nan")
    return float(metrics.roc_auc_score(truth, np.where(finite, scores, scores[finite].min())))
