"""Describe a detector with its configuration, as it enters a comparison, and run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eddy.errors import DataError
from eddy.models.core.detector import Floats, WindowSpec
from eddy.models.detectors.novelty.detector import DEFAULT_LIMIT
from eddy.training.data.nab import LabelledSeries
from eddy.training.data.recording import Recording
from eddy.training.fitting.causal_run import CausalRun, causal_run

_POINTS_PER_DAY_LIMIT = 96  # points of a discord's segment: longer ones cost more time than they improve results
_MS_PER_DAY = 86_400_000
_EVERY = 300  # rows between the alerts of the baseline that ignores the data


@dataclass(frozen=True)
class Entrant:
    """Describe a detector in the line-up.

    Attributes:
        name: name in tables and result files.
        kind: the registered detector.
        params: parameters of the detector.
        window: points in a window.
        by_day: set ``period`` from the sampling interval, at most 96 points.
        clocked: give the detector the sampling interval, so that it can find the phase of a day.
        gaps: give it the interval, and treat gaps as the job does.
        false_alarms_per_week: upper bound beside a limit of the detector's own.
        random: whether it draws at random; it is then evaluated over several seeds.
        note: remark for readers of the tables.
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    window: int = 1
    by_day: bool = False
    clocked: bool = False
    gaps: bool = False
    random: bool = False
    note: str = ""
    false_alarms_per_week: float | None = None

    def spec(self, recording: Recording) -> WindowSpec:
        """Return the windows that the detector needs of a series."""
        interval = round(recording.interval_ms) if self.clocked or self.gaps else 0
        return WindowSpec(self.window, features=recording.features, interval_ms=interval)

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        """Run over a series, whose start is used for fitting and not scored.

        A series that is too short for the detector gives no alerts and a note.
        """
        params = dict(self.params)
        if self.by_day:
            day = round(_MS_PER_DAY / recording.interval_ms)
            params["period"] = max(min(day, _POINTS_PER_DAY_LIMIT), 4)
            params["past"] = 14 * params["period"]
        try:
            return causal_run(
                self.kind, recording.ts, recording.values, recording.start, params, self.spec(recording),
                DEFAULT_LIMIT, seed, self.gaps, self.false_alarms_per_week,
            )  # fmt: skip
        except DataError as error:
            return CausalRun.silent(len(recording.ts), f"{recording.name}: not scored: {error}")

    def deviates(self, series: LabelledSeries, seed: int = 0) -> Floats:
        """Return (n,) calibrated scores over one NAB series, its probation used for fitting and not scored."""
        return self.run(Recording.of_nab(series), seed).opening


@dataclass(frozen=True)
class EveryN(Entrant):
    """Raise one alert each 300 rows: the baseline of a detector that ignores the data."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        scores = np.zeros(len(recording.ts))
        scores[recording.start :: _EVERY] = 1e6
        return CausalRun(scores, scores, np.full(len(scores), DEFAULT_LIMIT))


@dataclass(frozen=True)
class Noise(Entrant):
    """Score by uniform noise through the same threshold: a baseline."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        scores = np.random.default_rng([seed, len(recording.ts)]).random(len(recording.ts))
        return CausalRun(scores, scores, np.full(len(scores), DEFAULT_LIMIT))
