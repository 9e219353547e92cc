"""The shipped default detector, and its three members alone: novelty of value, of season, of the rate of rare values.

The score of a point is the largest of the members' deviates from their own past (see the kernels' modules for what
each measures and where it comes from), kept only where it stands out among the last hundred points. It is a normal
deviate: :data:`DEFAULT_LIMIT`, the two-sided 5 % point, is its threshold without any tuning on labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError, ModelError, SettingsError
from eddy.models.core.detector import (
    Detector,
    Explanation,
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
from eddy.models.detectors.novelty import kernel, peak_filter, season
from eddy.models.detectors.novelty.online_calibration import MOMENTS
from eddy.models.detectors.novelty.value import FLOOR

DEFAULT_LIMIT = 1.96
_MIN_VALUES = 20  # of a feature in training: fewer give no scale
_BAND_USUAL = float(np.log1p(1.0))  # scaled: one spread (5th to 95th percentile) to either side of the median
_BAND_SEASON = 3.0  # typical differences from the same slot of the nearest period


@dataclass(frozen=True)
class NoveltyParameters:
    """Parameters of the novelty detectors.

    Attributes:
        limit: score from which a point counts as an alert; the peak stage asks more of what follows soon after it.
        start_up: points collected from a series that training has not seen before it is judged.
        period_hours: length of the season.
    """

    limit: float = DEFAULT_LIMIT
    start_up: int = 250
    period_hours: float = 24.0


class NoveltyDetector(Detector):
    """Value novelty, gated season and rarity, by their maximum: the default.

    Streaming: it needs one point at a time (a window of 1) and keeps what it knows of a series in the state. Training
    is optional in effect: a series that it did not see is judged after ``start_up`` points of its own, one that it saw
    continues from the end of its training data. Several features: the largest deviate counts, shares go by squares.
    A missing value is skipped; a filled-in point counts as missing.

    Fails on slow drifts, on missing events where the gate finds no season, and in the first days of a series, when
    everything is new. What it has seen it never finds new again.

    Args:
        spec: ``window`` and ``stride`` are taken as 1.
        params: see :class:`NoveltyParameters`.
        start: series id -> (state_size,) state at the end of its training data.
    """

    kind = "novelty"
    calibrated = True
    continues = True
    members: ClassVar[int] = kernel.VALUE + kernel.SEASON + kernel.RARITY

    def __init__(self, spec: WindowSpec, params: NoveltyParameters, start: Mapping[str, Floats]) -> None:
        super().__init__(WindowSpec(1, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap))
        if not _MIN_VALUES <= params.start_up <= kernel.MAX_START_UP:
            raise SettingsError(
                f"{self.kind}: start_up: found {params.start_up}, expected {_MIN_VALUES} to {kernel.MAX_START_UP}"
            )
        if not (params.limit > 0 and params.period_hours > 0):
            raise SettingsError(f"{self.kind}: limit and period_hours have to be above 0")
        self.params, self.warm_up = params, params.start_up
        self.state_size = kernel.state_width(len(spec.features))
        self._index = {name: i for i, name in enumerate(start)}
        self._start = np.array(list(start.values())) if start else np.zeros((0, self.state_size))

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[NoveltyDetector, FitReport]:
        """Run through each series once; nothing is random.

        The validation scores are those of the second half of each series.
        """
        chosen = read_parameters(NoveltyParameters, cls.kind, params)
        detector = cls(spec, chosen, {})
        start: dict[str, Floats] = {}
        report = FitReport({})
        for i, one in enumerate(series):
            progress(one.name, i / len(series))
            values = np.where(one.imputed[:, None], np.nan, one.values)
            fewest = int(np.isfinite(values).sum(axis=0).min())
            if fewest < _MIN_VALUES:
                report.notes.append(f"{one.name}: left out: {fewest} values of a feature, {_MIN_VALUES} are needed")
                continue
            row = detector._begin(values, one.ts)
            scores = detector._run(row, values, one.ts)[len(values) // 2 :]
            start[one.name] = row
            report.scores[one.name] = scores[np.isfinite(scores)]
        if not start:
            found = "; ".join(report.notes) or "no series"
            raise DataError(f"{cls.kind}: nothing to learn from: {found}")
        return cls(spec, chosen, start), report

    def _begin(self, values: Floats, ts: Ints) -> Floats:
        row = np.zeros(self.state_size)
        for f in range(values.shape[1]):
            known = np.isfinite(values[:, f])
            at = peak_filter.STATE_WIDTH + f * kernel.FEATURE_WIDTH
            kernel.begin(row, at, np.ascontiguousarray(values[known, f]), ts[known], self._period_ms)
        return row

    @property
    def default_limit(self) -> float:
        """The threshold that goes with the scores; nothing has to be chosen from validation scores."""
        return self.params.limit

    @property
    def _period_ms(self) -> float:
        return self.params.period_hours * 3_600_000.0

    def _run(self, row: Floats, values: Floats, ts: Ints) -> Floats:
        return np.asarray(
            kernel.series_step(
                row,
                np.ascontiguousarray(values),
                ts,
                self.members,
                self.params.start_up,
                self._period_ms,
                self.params.limit,
            )
        )

    def score_series(self, name: str, ts: Ints, values: Floats) -> Floats:
        """(n,) scores of a whole series, (n, F), as :meth:`score` gives them point by point, without their overhead.

        Args:
            name: the series; one seen in training continues from where its training data ended.
            ts: (n,) epoch ms, increasing.
            values: (n, F).
        """
        index = self._index.get(name)
        row = np.zeros(self.state_size) if index is None else self._start[index].copy()
        return self._run(row, values, ts)

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def _points(self, batch: WindowBatch) -> Floats:
        newest = np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1])
        return np.ascontiguousarray(newest, float)

    def _started(self, batch: WindowBatch) -> Floats:
        """State of the rows, in place from the training data where a series comes for the first time."""
        untouched = ~batch.state.any(axis=1) & (batch.binding >= 0)
        batch.state[untouched] = self._start[batch.binding[untouched]]
        return batch.state

    def _step(self, state: Floats, batch: WindowBatch) -> Floats:
        return np.asarray(
            kernel.rows_step(
                state,
                self._points(batch),
                batch.end,
                self.members,
                self.params.start_up,
                self._period_ms,
                self.params.limit,
            )
        )

    def _score(self, batch: WindowBatch) -> Floats:
        return self._step(self._started(batch), batch)

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Expected: the nearest value seen before or, where the season's gate is open, the same slot of the nearest
        period. Band: where value novelty stays below the limit, or three typical differences from period to period.
        Rarity and the season alone, while its gate is closed, judge no single value: median and usual range.
        """
        before = self._started(batch.take(np.arange(len(batch))))
        after = before.copy()
        self._step(after, batch)
        blocks = (len(batch), len(self.spec.features), kernel.FEATURE_WIDTH)
        old, new = (s[:, peak_filter.STATE_WIDTH :].reshape(blocks) for s in (before, after))
        squares = new[:, :, [kernel.Z_VALUE, kernel.Z_SEASON, kernel.Z_RARITY]].max(axis=2) ** 2
        total = squares.sum(axis=1, keepdims=True)
        even = np.full_like(squares, 1.0 / squares.shape[1])
        attribution = np.divide(squares, total, out=even, where=total > 0)
        centre, spread = new[:, :, kernel.CENTRE], new[:, :, kernel.SPREAD]
        if self.members & kernel.VALUE:
            middle, reach = _value_band(old, new, limit)
        else:  # judges no single value: what is usual, as start-up had it
            middle, reach = np.zeros_like(centre), np.full_like(centre, _BAND_USUAL)
        if self.members & kernel.SEASON:
            at = kernel.SEASON_AT
            seasonal = old[:, :, at + season.GATE] > season.OPEN
            middle = np.where(seasonal, new[:, :, at + season.EXPECTED], middle)
            reach = np.where(seasonal, _BAND_SEASON * old[:, :, at + season.TYPICAL], reach)
        unknown = old[:, :, kernel.SPREAD] == 0  # still collecting
        expected, lower, upper = (
            np.where(unknown, np.nan, _unscaled(middle + way * reach, centre, spread)) for way in (0.0, -1.0, 1.0)
        )
        return Explanation(expected, lower, upper, attribution)

    def state_basis(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        """Parameters only: each series' state holds its own scale, and training gives no more than its start."""
        return {}, asdict(self.params)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"start": self._start}, {**asdict(self.params), "series": list(self._index)}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> NoveltyDetector:
        names = list(params["series"])
        start = np.asarray(arrays["start"], float)
        expected = (len(names), kernel.state_width(len(spec.features)))
        if start.shape != expected or not np.isfinite(start).all():
            raise ModelError(f"{cls.kind}: array 'start': found shape {start.shape}, expected finite {expected}")
        own = {name: value for name, value in params.items() if name != "series"}
        return cls(spec, NoveltyParameters(**own), dict(zip(names, start, strict=True)))


def _value_band(old: Floats, new: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """(n, F) nearest value seen before, and how far from it value novelty stays below the limit, scaled."""
    moments = old[:, :, kernel.VALUE_AT : kernel.VALUE_AT + MOMENTS]
    count = np.maximum(moments[:, :, 0], 2.0)
    deviation = np.sqrt(np.maximum(moments[:, :, 2], 0.0) / (count - 1.0) + FLOOR**2)  # no moments while collecting
    return new[:, :, kernel.NEAREST], moments[:, :, 1] + limit[:, None] * deviation


def _unscaled(y: Floats, centre: Floats, spread: Floats) -> Floats:
    """Inverse of :func:`eddy.models.detectors.novelty.kernel.scaled`."""
    with np.errstate(over="ignore", invalid="ignore"):  # a band without an end is not finite, and so is not reported
        return np.asarray(centre + spread * np.sign(y) * np.expm1(np.abs(y)))
