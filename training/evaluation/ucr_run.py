"""The UCR anomaly archive: one anomaly a series, and the question is where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eddy.errors import DataError
from models import ensemble, left_discord, novelty, same_phase_neighbours
from models.detector import Detector, Series, WindowSpec
from training.evaluation.causal_run import raw_scores
from training.ucr import UcrSeries, load_ucr

MARGIN = 100  # points around the labelled span that still count, as in the archive's own rules
_INTERVAL_MS = 1  # the archive has no clock: points are so close that no day is looked for
#: The first is what to use; each finds the period in the training part.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    ensemble.EnsembleDetector.kind: {},
    left_discord.LeftDiscordDetector.kind: {},
    same_phase_neighbours.SamePhaseNeighboursDetector.kind: {},
    novelty.NoveltyDetector.kind: {},
}


@dataclass(frozen=True)
class Located:
    """Where a detector found a series' anomaly, and whether that is right."""

    series: str
    detector: str
    found: int
    first: int
    last: int
    right: bool


def locate(series: UcrSeries, kind: str, params: Mapping[str, Any] | None = None) -> Located:
    """Fit on the training part, score the rest causally; the highest score is the answer.

    A detector that judges a stretch answers with the stretch's middle.
    """
    chosen = dict(DEFAULTS.get(kind, {}) if params is None else params)
    ts = np.arange(len(series.values), dtype=np.int64) * _INTERVAL_MS
    values = series.values[:, None]
    head = Series(series.name, ts[: series.train], values[: series.train], np.zeros(series.train, bool))
    detector, _ = Detector.kinds[kind].fit([head], WindowSpec(1), chosen)
    continues = detector.continues and int(detector.bind([series.name])[0]) >= 0
    begin = series.train if continues else 0
    scores = np.full(len(values), -np.inf)
    scores[begin:] = np.nan_to_num(raw_scores(detector, ts[begin:], values[begin:], series.name), nan=-np.inf)
    scores[: series.train] = -np.inf
    found = int(np.argmax(scores)) - detector.stretch // 2
    right = series.first - MARGIN <= found <= series.last + MARGIN
    return Located(series.name, kind, found, series.first, series.last, right)


def locate_all(folder: Path, kinds: Sequence[str]) -> list[Located]:
    """Every file of a folder with every detector.

    Raises:
        DataError: no file.
    """
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise DataError(f"{folder}: no .txt file of the UCR archive")
    return [locate(load_ucr(path), kind) for path in paths for kind in kinds or tuple(DEFAULTS)]
