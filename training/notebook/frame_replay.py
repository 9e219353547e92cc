"""A model over a data frame: what the job would compute and alert for the same observations, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eddy.alert import Alert
from eddy.models.core.detector import Floats, Ints
from eddy.models.engine.engine import BatchResult, Engine
from eddy.models.engine.options import alerting_options
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import ModelSet
from eddy.redis_layout import Point
from eddy.settings import Settings
from eddy.training.evaluation.backtest import replay_series
from eddy.training.notebook.frames import Frame


@dataclass(frozen=True)
class Scored:
    """What a model says about a frame's observations, in the frame's own order (see
    :class:`eddy.training.notebook.frames.Frame`).

    Attributes:
        score, limit: (n,) NaN where the model cannot say: before a window is full, between two strides.
        value: (n, F) what was scored: the values, or their increases where a series is a counter.
        expected, lower, upper: (n, F) likewise; (0, F) where nobody asked for them.
        alerts: the messages that the job would send, groups included.
    """

    score: Floats
    limit: Floats
    value: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    alerts: list[Alert]


def score_frame(model: LoadedModel, frame: Frame, settings: Settings, explain: bool = True) -> Scored:
    """Run the job's engine over a frame, from a fresh start, in order of time.

    Args:
        model: what scores; series that it does not apply to get no score.
        frame: observations with the model's features.
        settings: of the job.
        explain: whether to say what was expected, which takes most of the time.
    """
    models = ModelSet()
    models.adopt(model)
    features = model.manifest.features
    collected = _Collected(frame, features, explain)
    # Every point is reported: the allowance that bounds it in the job is as large as the frame.
    reported = len(frame.ts) if explain else 0
    options = replace(alerting_options(settings), report_scores=True, points_per_second=reported)
    alerts = replay_series(models, features, frame.dataset(), options, follow=collected.take)
    return collected.scored(alerts)


class _Collected:
    """Puts what the engine gives, batch by batch, beside the observations that it is about."""

    def __init__(self, frame: Frame, features: Sequence[str], explain: bool) -> None:
        n = len(frame.ts)
        self.features = features
        self.code = {name: code for code, name in enumerate(frame.names)}
        times, rank = np.unique(frame.ts, return_inverse=True)
        self.times = times
        self.keys = frame.codes * len(times) + rank.reshape(-1)  # increase, since observations are sorted
        self.score, self.limit = np.full(n, np.nan), np.full(n, np.nan)
        self.value = np.array(frame.values, float)
        shape = (n if explain else 0, len(features))
        self.expected, self.lower, self.upper = (np.full(shape, np.nan) for _ in range(3))

    def take(self, engine: Engine, outcome: BatchResult) -> None:
        for _, slots, ts, scores, limits in outcome.scores:
            at = self._places([str(engine.names[slot]) for slot in slots.tolist()], ts)
            self.score[at], self.limit[at] = scores, limits
        if outcome.points:
            self._explained(outcome.points)

    def _explained(self, points: Sequence[Point]) -> None:
        at = self._places([one.series for one in points], np.array([one.ts for one in points], np.int64))
        for into, said in (
            (self.expected, [one.expected for one in points]),
            (self.lower, [one.lower for one in points]),
            (self.upper, [one.upper for one in points]),
        ):
            into[at] = np.array([[by_feature[name] for name in self.features] for by_feature in said], float)
        for place, one in zip(at.tolist(), points, strict=True):
            for name in one.increases:
                self.value[place, self.features.index(name)] = one.values[name]

    def _places(self, series: Sequence[str], ts: Ints) -> Ints:
        codes = np.array([self.code[name] for name in series], np.int64)
        return np.searchsorted(self.keys, codes * len(self.times) + np.searchsorted(self.times, ts))

    def scored(self, alerts: list[Alert]) -> Scored:
        return Scored(self.score, self.limit, self.value, self.expected, self.lower, self.upper, alerts)
