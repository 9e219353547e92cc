"""Detect points whose features disagree with each other, or with their own past."""

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
from eddy.models.detectors.consistency import kernel
from eddy.models.detectors.consistency.cross_regression import CrossRegression
from eddy.models.detectors.novelty.kernel import LARGEST
from eddy.models.preprocessing.segments import by_name, cut_in_half, measured

_MIN_ROWS = 64  # of a series in training
_NEVER = 1 << 60  # rows before the first score: never, while training
_BEYOND, _SEVERITY = (0.0, 1.0, 1.7, 2.5), (25.0, 50.0, 75.0, 100.0)  # decades above the limit
_FLOOR_SHARE = 0.02  # of a feature's scale: smaller errors never count as unusual


@dataclass(frozen=True)
class ConsistencyParameters:
    """Set the parameters of the consistency detector.

    Attributes:
        limit: deviate from which a point counts as an alert.
        window: points before the newest; it is compared with their median.
        start_up: points of a series not seen in training before its first score.
        worth: share of a feature's scale that the others have to explain before their prediction is used.
    """

    limit: float = 4.0
    window: int = 15
    start_up: int = 500
    worth: float = 0.8


class ConsistencyDetector(Detector):
    """Score whether the features of a point agree with each other, and each of them with its own past.

    The score is the largest of several deviates over all features: from what the others predict; beyond the range, the
    jumps and the levels seen so far; and standing still for longer than ever (one feature, or all at once: a hanging
    meter). Features are predicted from the others and their products by ridge regression (power is current times
    voltage), and only those for which held-out blocks of the training data show that this works. Error sizes are
    measured against the maxima of 60-point blocks of the series' own past, in which no single error counts beyond three
    deviations. What is anomalous widens what is taken for usual only slowly. Missing values are skipped.

    Works for several features that belong to one thing; with one feature it is a range and jump detector.
    **Fails** on slow drifts that all features share, and where a new mode of operation changes how features relate.

    Parameters: :class:`ConsistencyParameters`.
    Cost: state of a series grows with the features, no windows of the past are kept; compiled, a few µs a point.

    Args:
        spec: ``window`` is taken from the parameters, ``stride`` as 1.
        params: see :class:`ConsistencyParameters`.
        regression: between the features.
        floor: (F,) errors and widths below it are never news.
        start: series id -> (state_size,) state at the end of its training data.

    References:
        Decision 024 has its development and figures; ridge regression: Hoerl, Kennard 1970, Technometrics 12(1).

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> current = np.random.default_rng(0).normal(10, 1, 1000)
        >>> values, ts = np.stack([current, 230 * current], axis=1), np.arange(1000) * 60_000
        >>> train = Series("meter", ts, values, np.zeros(1000, bool))
        >>> detector, _ = ConsistencyDetector.fit([train], WindowSpec(1, features=("current", "power")), {})
        >>> new = values[:60].copy()
        >>> new[50] = (10.0, 1900.0)  # each usual by itself, but not together
        >>> int(np.nanargmax(detector.score_series("meter", ts[:60], new)))
        50
    """

    kind = "consistency"
    parameters = ConsistencyParameters
    continues = True
    starts_silent = True

    def __init__(
        self,
        spec: WindowSpec,
        params: ConsistencyParameters,
        regression: CrossRegression,
        floor: Floats,
        start: Mapping[str, Floats],
    ) -> None:
        super().__init__(
            WindowSpec(params.window + 1, 1, spec.features, spec.interval_ms, spec.gap_policy, spec.max_gap)
        )
        if params.window < 2 or params.limit <= 0:
            raise SettingsError(f"{self.kind}: window has to be at least 2 and limit above 0")
        self.params, self.regression, self.floor = params, regression, floor
        self.state_size = kernel.state_width(len(spec.features))
        self._index = {name: i for i, name in enumerate(start)}
        self._start = np.array(list(start.values())) if start else np.zeros((0, self.state_size))

    @property
    def default_limit(self) -> float:
        """Return the threshold that fits the scores."""
        return self.params.limit

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[ConsistencyDetector, FitReport]:
        """Fit regressions on all series together, then pass once through each series; nothing is random."""
        chosen = read_parameters(ConsistencyParameters, cls.kind, params)
        found = by_name(series)
        rows = {name: int(np.isfinite(measured(own).values).any(axis=1).sum()) for name, own in found.items()}
        long = {name: own for name, own in found.items() if rows[name] >= _MIN_ROWS}
        if not long:
            longest = max(rows.values(), default=0)
            raise DataError(f"{cls.kind}: the longest series has {longest} points, {_MIN_ROWS} are needed")
        pooled = np.concatenate([np.where(s.imputed[:, None], np.nan, s.values) for own in long.values() for s in own])
        regression = CrossRegression.fit(pooled, chosen.worth)
        spread = np.nan_to_num(np.nanpercentile(pooled, 95, axis=0) - np.nanpercentile(pooled, 5, axis=0))
        full = np.nan_to_num(np.nanmax(pooled, axis=0) - np.nanmin(pooled, axis=0))
        usual = np.where(spread > 0, spread, full)
        usual = np.where(usual > 0, usual, np.maximum(np.abs(np.nan_to_num(np.nanmedian(pooled, axis=0))), 1e-3))
        floor = _FLOOR_SHARE * usual
        detector = cls(spec, chosen, regression, floor, {})
        start, report = {}, FitReport({})
        for i, (name, segments) in enumerate(long.items()):
            progress(name, i / len(long))
            state = np.zeros((1, detector.state_size))
            first, second = cut_in_half(segments)
            for one in first:
                detector._over(state, one, _NEVER)
            held_out = state.copy()
            scores = np.concatenate([detector._over(held_out, one, 0) for one in second])
            report.scores[name] = scores[np.isfinite(scores)]
            for one in second:  # all of the training data counts as usual
                detector._over(state, one, _NEVER)
            state[0, kernel.ROWS] = max(state[0, kernel.ROWS], chosen.start_up)
            start[name] = state[0]
        left_out = [f for f, used in zip(spec.features, regression.used, strict=True) if not used]
        if left_out and len(spec.features) > 1:
            report.notes.append(f"not predicted by the others, scored by their own past only: {', '.join(left_out)}")
        return cls(spec, chosen, regression, floor, start), report

    def _over(self, state: Floats, segment: Series, start_up: int) -> Floats:
        """Return (n,) scores of a segment; its first ``window`` points and filled-in ones have none."""
        n, back = len(segment.ts), self.params.window
        scores = np.full(n, np.nan)
        if n > back:
            seen = np.where(segment.imputed[:, None], np.nan, segment.values)
            cut = np.lib.stride_tricks.sliding_window_view(seen, back + 1, axis=0).transpose(0, 2, 1)
            due = back + np.flatnonzero(~segment.imputed[back:])
            scores[due], _ = self._points(state, cut[due - back], start_up)
        return scores

    def _points(self, state: Floats, windows: Floats, start_up: int) -> tuple[Floats, Floats]:
        """Return (n,) scores and (n, F) deviates of the newest points of (n, W, F) windows."""
        windows = np.clip(windows, -LARGEST, LARGEST)
        newest, before = (np.ascontiguousarray(windows[:, k], float) for k in (-1, -2))
        middle = _median(windows[:, :-1])
        each = np.zeros_like(newest)
        scores = kernel.points(
            state,
            newest,
            before,
            middle,
            self.regression.predict(newest),
            self.floor,
            start_up,
            self.params.limit,
            each,
        )
        return np.asarray(scores), each

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return what :meth:`score` gives window by window, but faster."""
        index = self._index.get(segment.name)
        if index is not None and not state.any():
            state[0] = self._start[index]
        return self._over(state, segment, self.params.start_up)

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def _started(self, batch: WindowBatch) -> Floats:
        untouched = ~batch.state.any(axis=1) & (batch.binding >= 0)
        batch.state[untouched] = self._start[batch.binding[untouched]]
        return batch.state

    def _seen(self, batch: WindowBatch) -> Floats:
        return np.where(batch.imputed[:, :, None], np.nan, batch.values)

    def _score(self, batch: WindowBatch) -> Floats:
        return self._points(self._started(batch), self._seen(batch), self.params.start_up)[0]

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the prediction from the other features, else by the median of the last points.

        The band holds the values for which that error's deviate stays below the limit.
        """
        copy = batch.take(np.arange(len(batch)))
        before, windows = self._started(copy).copy(), self._seen(copy)
        _, each = self._points(copy.state, windows, self.params.start_up)
        predicted, middle = self.regression.predict(np.ascontiguousarray(windows[:, -1])), _median(windows[:, :-1])
        blocks = before[:, kernel.FEATURES_AT :].reshape(len(batch), len(self.spec.features), kernel.FEATURE_WIDTH)
        count, mean, squares = (blocks[:, :, kernel.RESIDUAL + k] for k in range(3))
        errors = mean + limit[:, None] * np.sqrt(squares / np.maximum(count - 1, 1) + self.floor**2)
        width = np.maximum(blocks[:, :, kernel.WIDTH], self.floor)
        jumps = blocks[:, :, kernel.JUMP] + limit[:, None] * width / kernel.RANGE_WORTH
        own = np.isnan(predicted)
        reach = np.where(own, jumps, np.where(count >= 3, errors, np.nan))
        expected = np.where(own, middle, predicted)
        power = each**2
        total = power.sum(axis=1, keepdims=True)
        share = np.divide(power, total, out=np.full_like(power, 1 / power.shape[1]), where=total > 0)
        return Explanation(expected, expected - reach, expected + reach, share)

    def severities(self, batch: WindowBatch, scores: Floats) -> Floats:
        """Rate by how many times the limit the score is, in decades; see docs/decisions/074-severity.md."""
        return np.interp(np.log10(np.maximum(scores / self.params.limit, 1.0)), _BEYOND, _SEVERITY)

    def unusual(self, batch: WindowBatch) -> list[str]:
        names = self.spec.features
        if len(names) == 1:
            return [f"its newest value is far from the last {self.params.window} as it moves otherwise"] * len(batch)
        copy = batch.take(np.arange(len(batch)))
        _, each = self._points(self._started(copy), self._seen(copy), self.params.start_up)
        return [f"{names[f]} does not fit the other values as it does otherwise" for f in each.argmax(axis=1).tolist()]

    def state_bounds(self) -> Bounds:
        return kernel.bounds(len(self.spec.features))

    def state_basis(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        """Regressions and widths: what is kept of a series are sizes of errors of just these predictions."""
        return {"floor": self.floor, **self.regression.arrays()}, asdict(self.params)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays = {"start": self._start, "floor": self.floor, **self.regression.arrays()}
        return arrays, {**asdict(self.params), "series": list(self._index)}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> ConsistencyDetector:
        features, names = len(spec.features), read_names(cls.kind, params)
        own = read_parameters(ConsistencyParameters, cls.kind, {k: v for k, v in params.items() if k != "series"})
        regression = CrossRegression.from_arrays(cls.kind, arrays, features)
        wanted = {"start": Array((len(names), kernel.state_width(features))), "floor": Array((features,), above=0.0)}
        found = read_arrays(cls.kind, arrays, wanted)
        read_states(cls.kind, "start", found["start"], kernel.bounds(features), names)
        return cls(spec, own, regression, found["floor"], dict(zip(names, found["start"], strict=True)))


def _median(windows: Floats) -> Floats:
    """Return (n, F) medians over the points of windows, NaN if all are missing."""
    ordered = np.sort(windows, axis=1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=1)
    low = np.maximum((count - 1) // 2, 0)[:, None]
    high = np.minimum(count // 2, windows.shape[1] - 1)[:, None]
    middle: Floats = (np.take_along_axis(ordered, low, 1) + np.take_along_axis(ordered, high, 1))[:, 0] / 2
    return middle
