"""The UCR anomaly archive: one anomaly a series, and the question is where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eddy.errors import DataError
from training.evaluation.entrant import Entrant
from training.evaluation.recording import Event, Recording
from training.ucr import UcrSeries, load_ucr

MARGIN = 100  # points around the labelled span that still count, as in the archive's own rules
#: What is run where nothing is named; the first is what to use.
USUAL = ("ensemble", "left-discord", "same-phase-neighbours", "novelty")
_INTERVAL_MS = 1  # the archive has no clock: points are so close that no day is looked for


@dataclass(frozen=True)
class Located:
    """Where a detector found a series' anomaly (-1: it could not say), and whether that is right."""

    series: str
    detector: str
    found: int
    first: int
    last: int
    right: bool


def locate(series: UcrSeries, entrant: Entrant, seed: int = 0) -> Located:
    """Fit on the training part, score the rest causally; the highest raw score is the answer.

    A detector that judges a stretch answers with the stretch's middle. Periods are looked for in the training part.
    """
    run = replace(entrant, by_day=False, clocked=False).run(recording_of(series), seed)
    scores = np.nan_to_num(run.raw[series.train :], nan=-np.inf)
    stretch = run.detector.stretch if run.detector is not None else 1
    found = series.train + int(np.argmax(scores)) - stretch // 2 if np.isfinite(scores).any() else -1
    right = found >= 0 and series.first - MARGIN <= found <= series.last + MARGIN
    return Located(series.name, entrant.name, found, series.first, series.last, right)


def recording_of(series: UcrSeries) -> Recording:
    """The series as one that is judged from the end of its training part."""
    ts = np.arange(len(series.values), dtype=np.int64) * _INTERVAL_MS
    events = (Event(series.first, series.last),)
    return Recording(series.name, ts, series.values[:, None], ("value",), series.train, events)


def locate_all(folder: Path, entrants: Sequence[Entrant], seed: int = 0) -> list[Located]:
    """Every file of a folder with every detector.

    Raises:
        DataError: no file.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise DataError(f"{folder}: no .txt file of the UCR archive")
    return [locate(load_ucr(path), entrant, seed) for path in paths for entrant in entrants]
