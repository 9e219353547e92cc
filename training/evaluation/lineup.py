"""The detectors that are ranked beside each other, each with the parameters it ships with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eddy.errors import SettingsError
from models import catalog as _catalog  # noqa: F401  fills Detector.kinds
from models.detector import Detector, Floats, WindowSpec
from training.evaluation.causal_run import causal_deviates
from training.nab import LabelledSeries

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
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    window: int = 1
    by_day: bool = False

    def deviates(self, series: LabelledSeries) -> Floats:
        """(n,) calibrated scores over one series, its probation used for fitting and not judged."""
        params = dict(self.params)
        if self.by_day:
            day = round(_MS_PER_DAY / max(float(np.median(np.diff(series.ts))), 1.0))
            params["period"] = max(min(day, _POINTS_PER_DAY_LIMIT), 4)
            params["past"] = 14 * params["period"]
        return causal_deviates(
            self.kind, series.ts, series.values[:, None], series.probation, params, WindowSpec(self.window)
        )


@dataclass(frozen=True)
class EveryN(Entrant):
    """One alert each 300 rows: what a detector that looks at nothing scores."""

    def deviates(self, series: LabelledSeries) -> Floats:
        scores = np.zeros(len(series.values))
        scores[series.probation :: _EVERY] = 1e6
        return scores


@dataclass(frozen=True)
class Noise(Entrant):
    """Uniform noise through the same threshold."""

    def deviates(self, series: LabelledSeries) -> Floats:
        return np.random.default_rng(len(series.values)).random(len(series.values))


LINEUP: tuple[Entrant, ...] = (
    Entrant("novelty", "novelty"),
    Entrant("value-novelty", "value-novelty"),
    Entrant("rarity", "rarity"),
    Entrant("same-phase", "same-phase"),
    Entrant("seasonal-naive", "seasonal-naive"),
    Entrant("same-phase-neighbours", "same-phase-neighbours"),
    Entrant("left-discord", "left-discord", by_day=True),
    Entrant("zscore", "zscore", window=100),
    EveryN("every-300-rows", ""),
    Noise("uniform-noise", ""),
)


def entrants(names: Sequence[str]) -> list[Entrant]:
    """The named entrants, all where none is named; any other registered detector enters with its defaults.

    Raises:
        SettingsError: a name that is neither.
    """
    known = {entrant.name: entrant for entrant in LINEUP}
    for name in names:
        if name not in known and name not in Detector.kinds:
            raise SettingsError(f"detector {name!r} is unknown; known: {', '.join(sorted({*known, *Detector.kinds}))}")
    return [known.get(name) or Entrant(name, name, window=100) for name in names] or list(LINEUP)
