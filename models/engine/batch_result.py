"""The result of a batch of observations: alerts, and everything else that the job reports."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from eddy.alert import Alert
from eddy.models.core.detector import Floats, Ints
from eddy.models.drift.monitor import Drift, RetrainWanted
from eddy.models.windowing.event_time import Ahead
from eddy.redis_layout import Point


@dataclass
class BatchResult:
    """The result of one batch, or of one tick.

    Attributes:
        alerts: alerts for people, in order.
        shadow: alerts of versions that are only tried out: recorded, nobody is notified.
        late: indices, in the batch, of events that came after their time had been passed.
        duplicates: events that repeated a series and time.
        parked: indices, in the batch, of events far ahead that wait for the next one of their series.
        ahead: such events that were given up.
        taken_back: (series, time that its clock had come to, time at which it goes on) where a clock was wrong.
        released: events that took their place in their series.
        released_early: those of them that the reorder buffer had no place for any more.
        windows: windows scored.
        scoring_seconds: time that appending points, scoring windows and following incidents took.
        scores: (model name, slots, ts, scores, limits) per model, if asked for.
        featureless: (model, one of its series) where a batch held none of the model's features.
        off_interval: (model, one of its series, newest step in ms) of models whose series have another interval.
        failures: (model, version, error) where a model could not score a batch, whose windows then have no scores, or
            could not explain one, whose alerts and points then have no band.
        live: newest state of series that changed, a bounded number each second.
        points: every point, for the dashboard, while there are few enough.
        drifts: (model, series, drift) where a series changed for good.
        retrain_requests: (model, series, request) where a series needs a new model.
        crowded: (model, number of series that it has no room for, see ``EngineOptions.max_model_bytes``).
        cold: series without a trained model that are old enough for one.
    """

    alerts: list[Alert] = field(default_factory=list)
    shadow: list[Alert] = field(default_factory=list)
    late: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    duplicates: int = 0
    parked: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    ahead: list[Ahead] = field(default_factory=list)
    taken_back: list[tuple[str, int, int]] = field(default_factory=list)
    released: int = 0
    released_early: int = 0
    windows: int = 0
    scoring_seconds: float = 0.0
    scores: list[tuple[str, Ints, Ints, Floats, Floats]] = field(default_factory=list)
    featureless: list[tuple[str, str]] = field(default_factory=list)
    off_interval: list[tuple[str, str, int]] = field(default_factory=list)
    failures: list[tuple[str, int, str]] = field(default_factory=list)
    live: list[Point] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    drifts: list[tuple[str, str, Drift]] = field(default_factory=list)
    retrain_requests: list[tuple[str, str, RetrainWanted]] = field(default_factory=list)
    crowded: list[tuple[str, int]] = field(default_factory=list)
    cold: list[str] = field(default_factory=list)
