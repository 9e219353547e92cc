"""NYC taxi demand, fitted on its first nine weeks: how well raw scores rank the rows of labelled days (VUS-PR)."""

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
    """VUS-PR of one causal run over all rows, those fitted to with the scores that the fitted model gives them.

    Attributes:
        detector, seed: what ran.
        vus_pr: of all rows.
        vus_pr_after: of the rows after those fitted to.
        epochs: trained, 0 where there are none.
        seconds, cpu_s: of fitting and scoring.
    """

    detector: str
    seed: int
    vus_pr: float
    vus_pr_after: float
    epochs: int
    seconds: float
    cpu_s: float


def rank_taxi(taxi: Recording, entrant: Entrant, seed: int = 0) -> NineWeeks:
    """One detector on the series; ``taxi.start`` rows are fitted to."""
    began, cpu = time.perf_counter(), time.process_time()
    run = entrant.run(taxi, seed)
    spent, cpu_spent = time.perf_counter() - began, time.process_time() - cpu
    scores = np.where(np.isnan(run.raw), np.nanmin(run.raw), run.raw)  # no verdict yet: as calm as can be
    after = slice(taxi.start, None)
    return NineWeeks(
        entrant.name, seed, volumes(taxi.truth, scores, _WINDOW).pr,
        volumes(taxi.truth[after], scores[after], _WINDOW).pr, len(run.history), spent, cpu_spent,
    )  # fmt: skip
