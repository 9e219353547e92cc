"""What an engine is told, and what a batch led to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from eddy.alert import Alert
from eddy.alert_settings import AlertSettings
from eddy.models.alerting.feedback import FeedbackOptions
from eddy.models.core.detector import Floats, Ints
from eddy.models.drift.monitor import Drift, DriftOptions, RetrainWanted
from eddy.models.engine.cold_start import ColdStart
from eddy.redis_layout import Point


@dataclass(frozen=True)
class EngineOptions:
    """See :class:`eddy.settings.JobSettings` for the meaning of each."""

    out_of_orderness_ms: int = 0
    hold_timeout_ms: int = 0
    state_ttl_ms: int = 0
    live_per_second: int = 0  # series whose live state is reported per second of wall clock; 0 = none
    points_per_second: int = 0  # recent points reported per second of wall clock; 0 = none
    report_scores: bool = False
    feedback: FeedbackOptions = field(default_factory=FeedbackOptions)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    drift: DriftOptions | None = None
    cold: ColdStart | None = None
    figures: bool = False  # count what each version does, see take_figures()
    threads: int = 1  # that share the windows of a batch
    job: str = "eddy"


@dataclass
class BatchResult:
    """What a batch led to.

    Attributes:
        alerts: in order; ``recorded`` are those of candidates, which call nobody.
        late: indices, in the batch, of events that came after their time had been passed.
        duplicates: events that repeated a series and time.
        released: events that took their place in their series.
        windows: windows scored; scoring_seconds: time that appending, scoring and judging them took.
        scores: (model name, slots, ts, scores, limits) per model, if asked for.
        featureless: (model, one of its series) where a batch held none of the model's features.
        live: newest state of series that changed, a bounded number each second.
        points: every point, for the page, while there are few enough.
        drifts, wishes: (model, series, …) where a series changed for good, and where it needs a new model.
        cold: series that nobody trained for and that are old enough for it.
    """

    alerts: list[Alert] = field(default_factory=list)
    late: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    duplicates: int = 0
    released: int = 0
    windows: int = 0
    scoring_seconds: float = 0.0
    scores: list[tuple[str, Ints, Ints, Floats, Floats]] = field(default_factory=list)
    featureless: list[tuple[str, str]] = field(default_factory=list)
    live: list[Point] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    recorded: list[Alert] = field(default_factory=list)
    drifts: list[tuple[str, str, Drift]] = field(default_factory=list)
    retrain_requests: list[tuple[str, str, RetrainWanted]] = field(default_factory=list)
    cold: list[str] = field(default_factory=list)
