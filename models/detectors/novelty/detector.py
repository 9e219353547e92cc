"""The shipped default detector: novelty of value, of season, of the rate of rare values, together or each alone.

The score of a point is the largest of the members' deviates from their own past (the kernels' modules say what each
measures, and the source), kept only if it stands out among the last hundred points. It is a normal deviate:
:data:`DEFAULT_LIMIT`, the two-sided 5 % point, is its threshold without any tuning on labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError, SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names, read_states
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
from eddy.models.core.state_bounds import Bounds
from eddy.models.detectors.novelty import kernel, peak_filter, season
from eddy.models.detectors.novelty.online_calibration import MOMENTS
from eddy.models.detectors.novelty.value import FLOOR
from eddy.models.preprocessing.segments import by_name, left_out_note, measured

DEFAULT_LIMIT = 1.96
MEMBERS = {"value": kernel.VALUE, "season": kernel.SEASON, "rarity": kernel.RARITY}
_MIN_VALUES = 20  # of a feature in training: fewer give no scale
_BAND_USUAL = float(np.log1p(1.0))  # scaled: one spread (5th to 95th percentile) to either side of the median
_BAND_SEASON = 3.0  # typical differences from the same slot of the nearest period
_MAX_PERIOD_HOURS = 24.0 * 366 * 10


@dataclass(frozen=True)
class NoveltyParameters:
    """Parameters of the detector.

    Attributes:
        members: what is looked for, joined by commas: ``value``, ``season``, ``rarity``. Fewer than all serve to
            measure what each of them earns.
        limit: score from which a point counts as an alert; the peak stage asks more of what follows soon after it.
        start_up: points collected from a series that training has not seen before its first score.
        period_hours: length of the season.
    """

    members: str = ",".join(MEMBERS)
    limit: float = DEFAULT_LIMIT
    start_up: int = 250
    period_hours: float = 24.0


class NoveltyDetector(Detector):
    """Score how new a value, a phase of the season or the rate of rare values is for its series: the default detector.

    The score is the largest of the members' deviates, kept only where it stands out among the last hundred points. It
    needs one point at a time (a window of 1) and keeps what it knows of a series in the state. Training is optional in
    effect: a series that it did not see is scored after ``start_up`` points of its own, one that it saw continues from
    the end of its training data. Several features: the largest deviate counts, shares go by squares. A missing value is
    skipped; a filled-in point counts as missing.

    Works on many kinds of series without any tuning: its limit means the same on each.
    **Fails** on slow drifts, on missing events where the gate finds no season, and in the first days of a series, when
    everything is new. What it has seen it never finds new again.

    Parameters: :class:`NoveltyParameters`.
    Cost: a fixed state of several kB for each series and feature; compiled, about a µs a point.

    Args:
        spec: ``window`` and ``stride`` are taken as 1.
        params: see :class:`NoveltyParameters`.
        start: series id -> (state_size,) state at the end of its training data.

    References:
        Decision 050 has its development and figures on the Numenta Anomaly Benchmark (Lavin, Ahmad 2015).

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = NoveltyDetector.fit([train], WindowSpec(1), {})
        >>> new = values[:100].copy()
        >>> new[60] = 14.0
        >>> scores = detector.score_series("pump", ts[-1] + (1 + np.arange(100)) * 3_600_000, new)
        >>> (int(scores.argmax()), bool(scores[60] > detector.default_limit))
        (60, True)
    """

    kind = "novelty"
    parameters = NoveltyParameters
    calibrated = True
    continues = True

    def __init__(self, spec: WindowSpec, params: NoveltyParameters, start: Mapping[str, Floats]) -> None:
        super().__init__(WindowSpec(1, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap))
        if not _MIN_VALUES <= params.start_up <= kernel.MAX_START_UP:
            raise SettingsError(
                f"{self.kind}: start_up: found {params.start_up}, expected {_MIN_VALUES} to {kernel.MAX_START_UP}"
            )
        if not (params.limit > 0 and 0 < params.period_hours <= _MAX_PERIOD_HOURS):
            raise SettingsError(
                f"{self.kind}: found limit={params.limit}, period_hours={params.period_hours}; expected numbers above "
                f"0, a period of at most {_MAX_PERIOD_HOURS:g} hours"
            )
        self.members = _bits(params.members)
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
        report, left_out = FitReport({}), dict[str, int]()
        found = by_name(series)
        for i, (name, segments) in enumerate(found.items()):
            progress(name, i / len(found))
            one = measured(segments)
            fewest = int(np.isfinite(one.values).sum(axis=0).min())
            if fewest < _MIN_VALUES:
                left_out[name] = fewest
                continue
            row = detector._begin(one.values, one.ts)
            scores = detector._run(row, one.values, one.ts)[len(one.ts) // 2 :]
            start[name] = row
            report.scores[name] = scores[np.isfinite(scores)]
        if left_out:
            reason = f"found at most {max(left_out.values())} values of a feature, needed {_MIN_VALUES}"
            report.notes.append(left_out_note(list(left_out), reason))
        if not start:
            raise DataError(f"{cls.kind}: nothing to learn from: {'; '.join(report.notes) or 'no series'}")
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
        """Return the threshold that fits the scores; nothing has to be chosen from validation scores."""
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

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return what :meth:`score` gives point by point, but faster."""
        index = self._index.get(segment.name)
        if index is not None and not state.any():
            state[0] = self._start[index]
        scores, there = np.full(len(segment.ts), np.nan), ~segment.imputed
        scores[there] = self._run(state[0], segment.values[there], segment.ts[there])
        return scores

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def _points(self, batch: WindowBatch) -> Floats:
        newest = np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1])
        return np.ascontiguousarray(newest, float)

    def _started(self, batch: WindowBatch) -> Floats:
        """Return the state of the rows; a new series starts in place from the state after its training data."""
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
        """Explain by the nearest value seen before or, while the season's gate is open, by the nearest period.

        The band is where value novelty stays below the limit, or three typical differences from period to period.
        Rarity, and the season while its gate is closed, do not score single values: they give median and usual range.
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
        else:  # does not score single values: gives the usual range of start-up
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

    def state_bounds(self) -> Bounds:
        return kernel.bounds(len(self.spec.features), self.params.start_up)

    def state_basis(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        """Parameters only: each series' state holds its own scale, and training gives no more than its start."""
        return {}, asdict(self.params)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"start": self._start}, {**asdict(self.params), "series": list(self._index)}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> NoveltyDetector:
        names = read_names(cls.kind, params)
        own = {name: value for name, value in params.items() if name != "series"}
        chosen = read_parameters(NoveltyParameters, cls.kind, own)
        wanted = {"start": Array((len(names), kernel.state_width(len(spec.features))))}
        start = read_arrays(cls.kind, arrays, wanted)["start"]
        detector = cls(spec, chosen, dict(zip(names, start, strict=True)))
        read_states(cls.kind, "start", start, detector.state_bounds(), names)
        return detector


def _bits(members: str) -> int:
    """The kernels' number of some members.

    Raises:
        SettingsError: a name that is none of them, twice the same, or no name at all.
    """
    names = [name.strip() for name in members.split(",")]
    if len(set(names)) < len(names) or not set(names) <= set(MEMBERS):
        raise SettingsError(f"novelty: members: found {members!r}, expected some of {', '.join(MEMBERS)}, each once")
    return sum(MEMBERS[name] for name in names)


def _value_band(old: Floats, new: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """Return (n, F) nearest value seen before, and how far from it value novelty stays below the limit, scaled."""
    moments = old[:, :, kernel.VALUE_AT : kernel.VALUE_AT + MOMENTS]
    count = np.maximum(moments[:, :, 0], 2.0)
    deviation = np.sqrt(np.maximum(moments[:, :, 2], 0.0) / (count - 1.0) + FLOOR**2)  # no moments while collecting
    return new[:, :, kernel.NEAREST], moments[:, :, 1] + limit[:, None] * deviation


def _unscaled(y: Floats, centre: Floats, spread: Floats) -> Floats:
    """Inverse of :func:`eddy.models.detectors.novelty.kernel.scaled`."""
    with np.errstate(over="ignore", invalid="ignore"):  # a band without an end is not finite, and so is not reported
        return np.asarray(centre + spread * np.sign(y) * np.expm1(np.abs(y)))
