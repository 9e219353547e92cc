"""Measure how well raw scores rank the rows of labelled days (VUS-PR) on NYC taxi demand, after nine weeks."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from eddy.training.data.recording import Recording
from eddy.training.evaluation.metrics.vus import volumes
from eddy.training.evaluation.runs.entrant import Entrant

ROWS = 3096  # the first 30 %, before the first labelled window
_WINDOW = 125  # the benchmark's "sliding window" for this series


@dataclass(frozen=True)
class NineWeeks:
    """Hold VUS-PR of one causal run over all rows; the fitted rows have the scores of the fitted model.

    Attributes:
        detector, seed: the run's detector and seed.
        vus_pr: over all rows.
        vus_pr_after: over the rows after the fitted ones.
        epochs: number of trained epochs, 0 if there are none.
        seconds, cpu_s: cost of fitting and scoring.
    """

    detector: str
    seed: int
    vus_pr: float
    vus_pr_after: float
    epochs: int
    seconds: float
    cpu_s: float


def rank_taxi(taxi: Recording, entrant: Entrant, seed: int = 0) -> NineWeeks:
    """Run one detector on the series, fitted on its first ``taxi.start`` rows."""
    began, cpu = time.perf_counter(), time.process_time()
    run = entrant.run(taxi, seed)
    spent, cpu_spent = time.perf_counter() - began, time.process_time() - cpu
    scores = np.where(np.isnan(run.raw), np.nanmin(run.raw), run.raw)  # rows without a score rank lowest
    after = slice(taxi.start, None)
    return NineWeeks(
        entrant.name, seed, volumes(taxi.truth, scores, _WINDOW).pr,
        volumes(taxi.truth[after], scores[after], _WINDOW).pr, len(run.history), spent, cpu_spent,
    )  # fmt: skip
