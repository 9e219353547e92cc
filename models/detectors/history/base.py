"""Share the base of the baseline detectors, which compare the newest points with a bounded past kept in state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError, SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names
from eddy.models.core.detector import (
    Detector,
    Explanation,
    FarthestPoint,
    FitReport,
    Floats,
    Ints,
    Progress,
    Series,
    WindowBatch,
    WindowSpec,
    no_progress,
)
from eddy.models.core.parameters import read_parameters
from eddy.models.core.state_bounds import Bounds
from eddy.models.detectors.history import kernel as ring_kernel
from eddy.models.detectors.history.farthest_point import farthest_points
from eddy.models.preprocessing.scaler import in_spreads
from eddy.models.preprocessing.seasonality import usual_period
from eddy.models.preprocessing.segments import by_name, measured

_NO_SEASON = 64  # points that are compared if no period is found
_MAX_PAST = 1_000_000  # points kept: 16 MB of state a series and feature


@dataclass(frozen=True)
class RingParameters:
    """Set the parameters of a baseline.

    Attributes:
        period: points of a season (of a segment, for the discord); 0: found in the training data, without labels
            (:func:`eddy.models.preprocessing.seasonality.usual_period`; the discord takes two of them, at most 192
            points).
        reach: periods for the median, or nearest neighbours; 0: the detector's default.
        past: points kept; 0: the detector's default.
    """

    period: int = 0
    reach: int = 0
    past: int = 0


class PastRingDetector(Detector):
    """Base of the baselines. Scores are root mean square distances in spreads of the series (5th to 95th percentile of
    training).

    Missing values are left out of comparisons, a constant series scores 0, and nothing is scored before enough past
    is there.

    Args:
        spec: ``window`` and ``stride`` are taken as 1.
        params: all above 0.
        names: series seen in training, in the order of the scales.
        centre, spread: (S + 1, F) scale of each series; the last row, the median of the others, is for unseen ones.
    """

    starts_silent = True
    in_place = True
    parameters = RingParameters

    mode: ClassVar[int]
    unlike: ClassVar[str] = "the last {points} points are unlike those at the same time of earlier periods"
    default_reach: ClassVar[int] = 1
    default_periods: ClassVar[int] = 28

    def __init__(
        self, spec: WindowSpec, params: RingParameters, names: Sequence[str], centre: Floats, spread: Floats
    ) -> None:
        super().__init__(WindowSpec(1, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap))
        if not 1 <= params.period <= params.past <= _MAX_PAST or not 1 <= params.reach <= params.past:
            raise SettingsError(
                f"{self.kind}: found period={params.period}, reach={params.reach}, past={params.past}; expected at "
                f"least 1, period and reach at most the past, the past at most {_MAX_PAST}"
            )
        self.params, self.names, self.centre, self.spread = params, tuple(names), centre, spread
        self._index = {name: i for i, name in enumerate(self.names)}
        self.attribution_span = params.period if self.mode != ring_kernel.SEASONAL_NAIVE else 1
        self.state_size = 1 + (1 + 2 * params.past) * len(spec.features)

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[PastRingDetector, FitReport]:
        chosen = read_parameters(RingParameters, cls.kind, params)
        every = {name: measured(segments) for name, segments in by_name(series).items()}
        known = {name: s for name, s in every.items() if np.isfinite(s.values).any(axis=0).all() and len(s.ts) > 1}
        if not known:
            raise DataError(f"{cls.kind}: no series with values of every feature to learn from")
        names = tuple(known)
        centre, spread = (
            np.concatenate([part, np.median(part, axis=0)[None]])
            for part in _scales([s.values for s in known.values()])
        )
        period = chosen.period or cls._usual_period([s for s in series if s.name in known])
        detector = cls(
            spec,
            RingParameters(period, chosen.reach or cls.default_reach, chosen.past or cls.default_periods * period + 1),
            names,
            centre,
            spread,
        )
        scores = {name: detector.score_series(name, s.ts, s.values) for name, s in known.items()}
        return detector, FitReport({name: s[np.isfinite(s)] for name, s in scores.items()})

    @classmethod
    def _usual_period(cls, series: Sequence[Series]) -> int:
        return usual_period(series, _NO_SEASON)

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def _scaled(self, values: Floats, binding: Ints) -> Floats:
        return np.ascontiguousarray(in_spreads(values, self.centre[binding], self.spread[binding]))

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return what :meth:`score` gives point by point, but faster."""
        scores, there = np.full(len(segment.ts), np.nan), ~segment.imputed
        newest = self._scaled(segment.values[there], self.bind([segment.name]))
        scores[there] = ring_kernel.ring_series(state[0], newest, self.mode, self.params.period, self.params.reach)
        return scores

    def _step(self, batch: WindowBatch, rows: Ints, state: Floats, before: Floats) -> tuple[Floats, Floats, Floats]:
        newest = self._scaled(np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1]), batch.binding)
        each, expected = np.empty_like(newest), np.empty_like(newest)
        scores = ring_kernel.ring_rows(
            state, rows, newest, before, self.mode, self.params.period, self.params.reach, each, expected
        )
        return np.asarray(scores), each, expected

    def score_rows(self, batch: WindowBatch, rows: Ints, state: Floats, before: Floats) -> Floats:
        return self._step(batch, rows, state, before)[0]

    @property
    def before_size(self) -> int:
        return 2 * len(self.spec.features)

    def state_before(self, state: Floats, before: Floats) -> Floats:
        found = state.copy()
        ring_kernel.undo(found, before)
        return found

    def _score(self, batch: WindowBatch) -> Floats:
        return self.score_rows(batch, np.arange(len(batch)), batch.state, np.empty((len(batch), self.before_size)))

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the same point of the compared past; in the band that distance alone is within the limit."""
        rows, unused = np.arange(len(batch)), np.empty((len(batch), self.before_size))
        _, each, expected = self._step(batch, rows, batch.state.copy(), unused)
        squares = np.nan_to_num(each) ** 2
        total = squares.sum(axis=1, keepdims=True)
        share = np.divide(squares, total, out=np.full_like(squares, 1 / squares.shape[1]), where=total > 0)
        spread = self.spread[batch.binding]
        middle, reach = expected * spread + self.centre[batch.binding], limit[:, None] * spread
        return Explanation(middle, middle - reach, middle + reach, share)

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint | None:
        """Compare with the most similar segment: where the whole is above the limit, its farthest point is, too."""
        if self.mode == ring_kernel.SEASONAL_NAIVE:
            return None
        centred, period = self.mode == ring_kernel.DISCORD, self.params.period
        newest = self._scaled(np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1]), batch.binding)
        state = np.ascontiguousarray(batch.state)
        ago, values, expected = farthest_points(state, newest, period, 1 if centred else period, centred)
        centre, spread = self.centre[batch.binding], self.spread[batch.binding]
        middle, reach = expected * spread + centre, limit[:, None] * spread
        return FarthestPoint(ago, values * spread + centre, middle, middle - reach, middle + reach)

    def unusual(self, batch: WindowBatch) -> list[str]:
        return [self.unlike.format(points=self.attribution_span)] * len(batch)

    def state_bounds(self) -> Bounds:
        return ring_kernel.bounds(len(self.spec.features), self.params.past)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"centre": self.centre, "spread": self.spread}, {**asdict(self.params), "series": list(self.names)}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> PastRingDetector:
        names = read_names(cls.kind, params)
        shape = (len(names) + 1, len(spec.features))
        scale = read_arrays(cls.kind, arrays, {"centre": Array(shape), "spread": Array(shape, above=0.0)})
        own = {name: value for name, value in params.items() if name != "series"}
        chosen = read_parameters(RingParameters, cls.kind, own)
        return cls(spec, chosen, names, scale["centre"], scale["spread"])


def _scales(values: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return (S, F) medians and scales of series (n, F); a constant one is scaled by its own value."""
    centre = np.stack([np.nanmedian(v, axis=0) for v in values])
    spread = np.stack([np.nanpercentile(v, 95, axis=0) - np.nanpercentile(v, 5, axis=0) for v in values])
    with np.errstate(over="ignore"):
        deviation = np.stack([np.nanstd(v, axis=0) for v in values])
    spread = np.where(spread > 0, spread, np.where(np.isfinite(deviation), deviation, 0.0))
    return centre, np.where(spread > 0, spread, np.maximum(np.abs(centre), 1e-3))
