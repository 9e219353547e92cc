"""Drift: a lasting change of a series, told from an anomaly, and the limit that follows it until a new model comes.

What counts as lasting is ``lasting`` points, or two windows of the model where that is more: an anomaly stays in a
window for so long. Three things follow from it. The drift is told. Where the score went up, the limit of the series is
raised at once to what the scores of the new kind reach, at most by the factor ``most`` and never below the model's own;
anomalous scores do not teach it, unless they last in turn. And after ``ask_after`` more points a new model is asked
for. A new version of the model starts with its own limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eddy.models.core.detector import Floats, Ints, WindowBatch, WindowSpec
from eddy.models.drift import kernel

Stream = Literal["score", "value", "step"]

_CLIP = 3.0  # deviations that a single point can add at most
_SLACK = 1.0  # deviations that the score may stray for ever
_INPUT_SLACK = 1.5  # those of an input: a sine never gets so far from its mean
_MARGIN = 1.2  # the limit over the highest score of the new kind


@dataclass(frozen=True)
class DriftOptions:
    """How drift is found and followed.

    Attributes:
        lasting: points after which a change is lasting.
        learn: points from which a stream's usual mean and deviation are taken.
        memory: points after which what was learned has lost most of its weight.
        most: largest factor on a limit.
        ask_after: points after a drift before a new model is asked for; again at each doubling while none has come.
    """

    lasting: int = 48
    learn: int = 200
    memory: int = 2000
    most: float = 50.0
    ask_after: int = 200


@dataclass(frozen=True)
class Drift:
    """A stream of a series has changed.

    Attributes:
        row: of the judge.
        stream: the score, or a feature's value or step.
        feature: empty for the score.
        direction: 1 up, -1 down.
        since, at: event time from which on it was different, and at which it counted as lasting; epoch ms.
    """

    row: int
    stream: Stream
    feature: str
    direction: int
    since: int
    at: int


@dataclass(frozen=True)
class RetrainWanted:
    """A series has been different for a while: a model of its new kind is wanted. ``since`` as in :class:`Drift`."""

    row: int
    since: int


class DriftWatch:
    """The streams of one model's series, by row.

    Args:
        options: see there.
        spec: of the model.
    """

    def __init__(self, options: DriftOptions, spec: WindowSpec) -> None:
        self.features = spec.features
        self.width = kernel.state_width(len(spec.features))
        self.state = np.zeros((0, self.width))
        lasting = max(options.lasting, 2 * spec.window // spec.stride)
        usual = [options.learn, options.memory, _CLIP, _SLACK, _INPUT_SLACK]
        self._numbers = np.array([*usual, lasting, _MARGIN, options.most, options.ask_after], np.float64)

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = size - len(self.state)
        if more > 0:
            self.state = np.concatenate([self.state, np.zeros((more, self.width))])

    def clear(self, rows: Ints) -> None:
        """Forget rows."""
        self.state[rows] = 0.0

    def carry(self, rows: Ints, state: Floats, of: Ints, same: bool) -> None:
        """Take over rows of another version's state for the same features.

        Args:
            rows: (n,) rows here; ``of`` (n,) those of ``state``.
            state: (m, width).
            same: it is of the same model; of another one only what it knows of the inputs is taken.
        """
        if state.shape[1] != self.width:
            return
        self.state[rows] = state[of]
        if not same:
            start = kernel.head(len(self.features))
            self.state[rows, : kernel.BEFORE] = 0.0
            self.state[rows, start : start + kernel.STATE_WIDTH] = 0.0

    def follow(
        self, rows: Ints, batch: WindowBatch, scores: Floats, limits: Floats
    ) -> tuple[Floats, list[Drift], list[RetrainWanted]]:
        """(limits, drifts, wishes) after scored windows, each series' in order of time.

        Args:
            rows: (n,) row of each.
            batch: the windows.
            scores, limits: (n,).
        """
        if not len(rows):
            return limits, [], []
        values = np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1])
        limits = limits.copy()
        shape = (len(rows), 1 + 2 * values.shape[1])
        found, since, ask = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(len(rows), -1, np.int64)
        kernel.follow(self.state, rows, batch.end, scores, limits, values, self._numbers, found, since, ask)
        drifts = []
        for i, k in zip(*(at.tolist() for at in np.nonzero(found)), strict=True):
            stream: Stream = "score" if k == 0 else "value" if k % 2 else "step"
            feature = self.features[(k - 1) // 2] if k else ""
            way, began, at = int(found[i, k]), int(since[i, k]), int(batch.end[i])
            drifts.append(Drift(int(rows[i]), stream, feature, way, began, at))
        return limits, drifts, [RetrainWanted(int(rows[i]), int(ask[i])) for i in np.flatnonzero(ask >= 0)]

    def adapted(self, row: int) -> bool:
        """Whether the limit of a row follows a drift."""
        return bool(self.state[row, kernel.ADAPTED])
