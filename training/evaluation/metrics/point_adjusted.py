"""Point-adjusted F1, kept for comparison with papers that report it, never without its warning.

One flagged row inside an event counts the whole event as found, row by row. On long events a detector that flags at
random reaches near-perfect figures (Kim et al. 2022, "Towards a Rigorous Evaluation of Time-series Anomaly Detection",
AAAI), so the value of random scores on the same data stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools, Floats
from eddy.training.evaluation.metrics.vus import spans

WARNING = (
    "Point adjustment counts a whole event as found when any one of its rows is flagged: random scores do well on it. "
    "Compare with the random baseline beside it and rank by nothing of this kind."
)
_LEVELS = 200  # thresholds tried, at equal ranks of the scores
_RANDOM_DRAWS = 5


@dataclass(frozen=True)
class PointAdjusted:
    """``f1``: best over all thresholds, as papers do; ``random``: the same for uniform noise, mean of five draws."""

    f1: float
    random: float


def adjusted_f1(truth: Bools, flagged: Bools) -> float:
    """F1 after each event with a flagged row counts as flagged in full."""
    filled = flagged.copy()
    for first, last in spans(truth):
        if flagged[first : last + 1].any():
            filled[first : last + 1] = True
    hits = int((filled & truth).sum())
    total = int(filled.sum()) + int(truth.sum())
    return 2 * hits / total if total else float("nan")


def best_adjusted_f1(truths: Sequence[Bools], scores: Sequence[Floats]) -> float:
    """Best point-adjusted F1 of one threshold for several series (each series' events stay its own)."""
    truth = np.concatenate([np.append(t, False) for t in truths])
    score = np.concatenate([np.append(np.nan_to_num(s, nan=-np.inf), -np.inf) for s in scores])
    if not truth.any():
        return float("nan")
    order = np.sort(score[np.isfinite(score)])[::-1]
    if not len(order):
        return 0.0
    limits = order[np.unique(np.geomspace(1, len(order), _LEVELS).astype(int)) - 1]
    # An event counts in full from its highest score on; rows outside count one by one.
    found = spans(truth)
    peaks = np.array([score[a : b + 1].max() for a, b in found])
    lengths = np.array([b - a + 1 for a, b in found])
    outside = np.sort(score[~truth])
    hits = ((peaks[None, :] >= limits[:, None]) * lengths).sum(axis=1)
    false = len(outside) - np.searchsorted(outside, limits, side="left")
    return float(np.max(2 * hits / (hits + false + truth.sum())))


def point_adjusted(truths: Sequence[Bools], scores: Sequence[Floats], seed: int = 0) -> PointAdjusted:
    """The figure and its floor."""
    rng = np.random.default_rng(seed)
    floor = [best_adjusted_f1(truths, [rng.random(len(t)) for t in truths]) for _ in range(_RANDOM_DRAWS)]
    return PointAdjusted(best_adjusted_f1(truths, scores), float(np.mean(floor)))
