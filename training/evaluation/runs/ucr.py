"""Run detectors over the UCR anomaly archive, whose series hold one anomaly each, and check where they locate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eddy.errors import DataError
from eddy.training.data.recording import Event, Recording
from eddy.training.data.ucr import INTERVAL_MS, UcrSeries, load_ucr
from eddy.training.evaluation.metrics.summary import figures
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.streams import GRACE_POINTS, StreamRun, run_over
from eddy.training.fitting.causal_run import CausalRun

MARGIN = 100  # points around the labelled span that still count, as in the archive's own rules
#: entrants if none is named; the first is the recommended one
USUAL = ("ensemble", "left-discord", "same-phase-neighbours", "novelty")
_INTERVAL_MS = 1  # the archive has no times: points are taken as so close that no day fits


@dataclass(frozen=True)
class Located:
    """Hold where a detector located a series' anomaly (-1: nowhere), and whether that is right."""

    series: str
    detector: str
    found: int
    first: int
    last: int
    right: bool


def locate(series: UcrSeries, entrant: Entrant, seed: int = 0) -> Located:
    """Fit on the training part, score the rest causally; the highest raw score is the answer."""
    return _answer(series, entrant.name, _shape_only(entrant).run(recording_of(series), seed))


def _shape_only(entrant: Entrant) -> Entrant:
    """Return the detector without times, which the archive lacks: periods are found in the training part."""
    return replace(entrant, by_day=False, clocked=False)


def _answer(series: UcrSeries, detector: str, run: CausalRun) -> Located:
    """Return the answer of a run; for a detector that scores a segment, the segment's middle."""
    scores = np.nan_to_num(run.raw[series.train :], nan=-np.inf)
    attribution_span = run.detector.attribution_span if run.detector is not None else 1
    found = series.train + int(np.argmax(scores)) - attribution_span // 2 if np.isfinite(scores).any() else -1
    right = found >= 0 and series.first - MARGIN <= found <= series.last + MARGIN
    return Located(series.name, detector, found, series.first, series.last, right)


def recording_of(series: UcrSeries) -> Recording:
    """Return the series as a recording that is scored from the end of its training part."""
    ts = np.arange(len(series.values), dtype=np.int64) * _INTERVAL_MS
    events = (Event(series.first, series.last),)
    return Recording(series.name, ts, series.values[:, None], ("value",), series.train, events)


@dataclass(frozen=True)
class Archive:
    """Hold the results of detectors over a folder of the archive.

    Attributes:
        recordings: the series, for a report: their points a minute apart, as Eddy reads the archive everywhere.
        runs: one per detector; an alert counts for an anomaly within :data:`MARGIN` points, as the answer does.
        located: answers by detector and series.
    """

    recordings: list[Recording]
    runs: list[StreamRun]
    located: list[Located]


def run_archive(folder: Path, entrants: Sequence[Entrant], seed: int = 0) -> Archive:
    """Run every detector over every file of a folder.

    Raises:
        DataError: the folder holds no file of the archive.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise DataError(f"{folder}: no .txt file of the UCR archive")
    series = [load_ucr(path) for path in paths]
    recordings = [recording_of(one) for one in series]
    runs = [run_over(_shape_only(entrant), recordings, seed) for entrant in entrants]
    located = [_answer(one, r.detector, run) for r in runs for one, run in zip(series, r.runs, strict=True)]
    minutes = [replace(r, ts=r.ts // _INTERVAL_MS * INTERVAL_MS) for r in recordings]
    measured = [replace(r, figures=figures(minutes, r.runs, MARGIN, quiet=GRACE_POINTS)) for r in runs]
    return Archive(minutes, measured, located)
