"""A detector with its configuration, as it enters a comparison."""

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

_POINTS_PER_DAY_LIMIT = 96  # a discord's stretch and past: longer ones cost more than they tell
_MS_PER_DAY = 86_400_000
_EVERY = 300  # rows between the alerts of the floor that looks at nothing


@dataclass(frozen=True)
class Entrant:
    """A detector in the line-up.

    Attributes:
        name: in tables and result files.
        kind: the registered detector.
        params: of the detector.
        window: points in a window.
        by_day: take ``period`` from the sampling interval, at most 96 points.
        clocked: tell the detector the sampling interval, so that it can find the phase of a day.
        random: whether it draws at random: it is then judged over several seeds.
        note: what a reader of the tables should know.
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    window: int = 1
    by_day: bool = False
    clocked: bool = False
    random: bool = False
    note: str = ""

    def spec(self, recording: Recording) -> WindowSpec:
        """The windows it wants of a series."""
        interval = round(recording.interval_ms) if self.clocked else 0
        return WindowSpec(self.window, features=recording.features, interval_ms=interval)

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        """What it says about a series, whose start is used for fitting and not judged.

        A series that is too short for the detector is met with silence and a note.
        """
        params = dict(self.params)
        if self.by_day:
            day = round(_MS_PER_DAY / recording.interval_ms)
            params["period"] = max(min(day, _POINTS_PER_DAY_LIMIT), 4)
            params["past"] = 14 * params["period"]
        try:
            return causal_run(
                self.kind, recording.ts, recording.values, recording.start, params, self.spec(recording),
                DEFAULT_LIMIT, seed,
            )  # fmt: skip
        except DataError as error:
            return CausalRun.silent(len(recording.ts), f"{recording.name}: not judged: {error}")

    def deviates(self, series: LabelledSeries, seed: int = 0) -> Floats:
        """(n,) calibrated scores over one NAB series, its probation used for fitting and not judged."""
        return self.run(Recording.of_nab(series), seed).deviates


@dataclass(frozen=True)
class EveryN(Entrant):
    """One alert each 300 rows: what a detector that looks at nothing scores."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        scores = np.zeros(len(recording.ts))
        scores[recording.start :: _EVERY] = 1e6
        return CausalRun(scores, scores, np.full(len(scores), DEFAULT_LIMIT))


@dataclass(frozen=True)
class Noise(Entrant):
    """Uniform noise through the same threshold."""

    def run(self, recording: Recording, seed: int = 0) -> CausalRun:
        scores = np.random.default_rng([seed, len(recording.ts)]).random(len(recording.ts))
        return CausalRun(scores, scores, np.full(len(scores), DEFAULT_LIMIT))
