"""Detect anomalies with an isolation forest on features of sliding windows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import ModelError, SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names, read_whole, shape_of
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
from eddy.models.core.threshold import usual_period
from eddy.models.detectors.isolation_forest.columns import LARGE_STEP, ForestColumns, columns_for
from eddy.models.detectors.isolation_forest.kernel import flatten, forest_score, node_records
from eddy.models.detectors.isolation_forest.window_features import grouped, series_scales
from eddy.models.preprocessing.fit_windows import FitWindows
from eddy.models.preprocessing.scaler import SeriesScaler, robust_moments
from eddy.models.preprocessing.trailing_mean import (
    limit_of_newest,
    series_means,
    state_bounds,
    state_width,
    trailing_mean,
)

_SCALES = 3  # numbers per series and feature, see eddy.models.detectors.isolation_forest.window_features
_MOST = 1_000_000  # of samples, recent points and averaged windows: far above any use
_MAX_SAMPLES = 1024  # per tree: 2^10 leaves each; more would exceed the cache, and the paper finds 256 sufficient
_MIN_SAMPLES = 8
#: distances from the expected value, in σ, that are tried to find the band
_BAND_STEPS = np.array([0.5, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50])
_TRIED = 1 << 20  # numbers of windows that are tried at once: bounds the memory


@dataclass(frozen=True)
class ForestParameters:
    """Set the parameters of the isolation forest; everything has a default.

    Attributes:
        trees: number of trees.
        samples: windows each tree is grown from.
        season: period in points; 0 = a day if clocked and if the window holds at least 2 earlier values of a phase;
            used only if the training data show it. 1 = never.
        windows: largest number of windows used for training, evenly distributed.
        background: share of uniform random points, over the whole range of the features, in each tree's sample. Trees
            cut only inside the range of their data: without such points a window far outside it is isolated no sooner
            than the most unusual normal one.
        validation_share: last part of each series that is held out.
        features: sets of columns, such as ``raw,differences``; see
        :class:`eddy.models.detectors.isolation_forest.columns.ForestColumns`.
        recent: newest points whose season residuals are used, for the set ``season``.
        smooth: newest windows whose scores are averaged; 1 = none. Finds lasting changes, but later; needs as many
            numbers of state.
        refresh: share of the trees that an update replaces.
    """

    trees: int = 130
    samples: int = 64
    season: int = 0
    windows: int = 40_000
    background: float = 0.1
    validation_share: float = 0.25
    features: str = "window,place"
    recent: int = 48
    smooth: int = 1
    refresh: float = 0.5


class IsolationForest(Detector):
    """Score how few random cuts isolate a window's features: scikit-learn's isolation forest, run by compiled code.

    The features are columns that describe windows; by default those of
    :mod:`eddy.models.detectors.isolation_forest.window_features`. The score is s(x, ψ) = 2^(-E[h(x)] / c(ψ)) in (0, 1),
    about 0.45 in normal times. ``raw`` and ``place`` depend on the level that a series had in training.

    Works for jumps, moves and changes of volatility, for series that vary less than usual or stand still, and on
    operators' KPIs; decision 075 has the figures.
    **Fails** on what only the order of points shows (a shape that breaks at usual values and volatility: F1 0.38 for a
    missing beat), where a series lives on levels that training has not seen (leave out ``place`` there), and it cannot
    tell a large from a huge anomaly: beyond the range of the training data all are isolated alike.

    Parameters: :class:`ForestParameters`.
    Cost: no state unless ``smooth`` is set; ``trees`` paths of about 6 steps for each window.

    References:
        Liu, Ting, Zhou 2008, Isolation Forest (equations 1 and 2).

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = np.random.default_rng(0).normal(10, 1, (400, 1))
        >>> ts = np.arange(len(values)) * 60_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = IsolationForest.fit([train], WindowSpec(16), {"trees": 20})
        >>> values[300] += 12
        >>> int(np.nanargmax(detector.score_series("pump", ts, values)))
        300
    """

    kind = "isolation-forest"
    critical_by_rarity = True
    parameters = ForestParameters
    updates = "window"
    releases_gil = True

    def __init__(
        self,
        spec: WindowSpec,
        arrays: Mapping[str, NDArray[Any]],
        names: Sequence[str],
        samples: int,
        columns: ForestColumns,
        smooth: int = 1,
    ) -> None:
        super().__init__(spec)
        self.smooth, self.state_size = smooth, state_width(smooth)
        self.names, self.samples, self.columns, self.season = list(names), samples, columns, columns.season
        self.column = np.ascontiguousarray(arrays["forest.column"])
        self.threshold = np.asarray(arrays["forest.threshold"], np.float32)
        self.length = np.asarray(arrays["forest.length"], np.float32)
        self.scales = np.asarray(arrays["series.scales"], float)
        self.levels = np.asarray(arrays["series.levels"], float)
        self.typical = np.asarray(arrays["typical"], float)
        self._index = {name: i for i, name in enumerate(self.names)}
        self._nodes = node_records(self.column, self.threshold)

    @classmethod
    def usual_window(cls, interval_ms: int, configured: int) -> int:
        """Take the setting ``detector.window_size``."""
        return configured

    @classmethod
    def default_threshold(cls, interval_ms: int) -> tuple[str, dict[str, Any]]:
        """Limit what a series' own past exceeds once in a day and a half, and in 1,000 points."""
        return "return-level", {"period": usual_period(interval_ms)}

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[IsolationForest, FitReport]:
        return cls._fitted(series, spec, read_parameters(ForestParameters, cls.kind, params), seed, progress, None)

    def updated(
        self,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[IsolationForest, FitReport]:
        """Replace the share ``refresh`` of the trees, the oldest, by trees grown from these data."""
        chosen = read_parameters(ForestParameters, self.kind, params)
        fresh = max(round(chosen.refresh * chosen.trees), 1)
        grown = (seed + zlib.crc32(self.threshold.tobytes())) % 2**31  # different trees from the last update
        return self._fitted(series, spec, replace(chosen, trees=fresh), grown, progress, self)

    def _with_trees(
        self, arrays: dict[str, NDArray[Any]], samples: int, columns: ForestColumns
    ) -> dict[str, NDArray[Any]]:
        """Add fresh trees after the newest of these; use only the fresh ones if they do not fit together."""
        fresh = arrays["forest.column"]
        same = (samples, fresh.shape[1], vars(columns)) == (self.samples, self.column.shape[1], vars(self.columns))
        if not same:
            return arrays
        own = {"forest.column": self.column, "forest.threshold": self.threshold, "forest.length": self.length}
        kept = slice(min(len(fresh), len(self.column)), None)
        return {**arrays, **{name: np.concatenate([array[kept], arrays[name]]) for name, array in own.items()}}

    @classmethod
    def _fitted(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        chosen: ForestParameters,
        seed: int,
        progress: Progress,
        before: IsolationForest | None,
    ) -> tuple[IsolationForest, FitReport]:
        """Grow anew, or add to ``before``."""
        windows = FitWindows.cut(series, spec, chosen.validation_share)
        columns, note = columns_for(chosen.features, chosen.season, chosen.recent, spec, windows)
        season = columns.season
        values = {name: [s for s in windows.segments if s.name == name] for name in windows.names}
        scales = np.stack(
            [
                series_scales(np.concatenate([s.values for s in own]), np.concatenate([s.imputed for s in own]), season)
                for own in values.values()
            ]
        )
        scaler = SeriesScaler.fit(windows.segments)
        levels = np.stack([scaler.centre, scaler.spread], axis=2)
        progress("features", 0.1)
        training = np.flatnonzero(~windows.validation)
        training = training[:: -(-len(training) // max(chosen.windows, 1))]
        x = _rows(windows, training, scales, levels, columns)
        if not (_MIN_SAMPLES <= chosen.samples <= _MAX_SAMPLES and chosen.trees and chosen.background < 1):
            raise SettingsError(
                f"{cls.kind}: samples={chosen.samples}, trees={chosen.trees}, background={chosen.background}; expected "
                f"samples of {_MIN_SAMPLES} to {_MAX_SAMPLES}, at least 1 tree, background below 1"
            )
        progress("trees", 0.4)
        arrays, samples = _grow(x, columns.bounds(len(spec.features)), chosen, seed)
        arrays = arrays if before is None else before._with_trees(arrays, samples, columns)
        arrays |= {"series.scales": scales, "series.levels": levels, "typical": np.median(x, axis=0)}
        detector = cls(spec, arrays, windows.names, samples, columns, chosen.smooth)
        progress("validation scores", 0.8)
        held_out = np.flatnonzero(windows.validation)
        batches = windows.batches(held_out, np.arange(len(windows.names)))
        found = np.concatenate([detector._of_features(detector.features(batch)) for _, batch in batches])
        scores = {name: series_means(s, chosen.smooth) for name, s in windows.by_series(held_out, found).items()}
        progress("done", 1.0)
        notes = [*windows.notes, *([note] if note else [])]
        return detector, FitReport(scores, [], notes)

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def features(self, batch: WindowBatch) -> Floats:
        """Return (n, columns) the forest's input; a row is NaN if too many values are missing."""
        return self.columns.of(batch.values, batch.imputed, *self._usual(batch))

    def _usual(self, batch: WindowBatch) -> tuple[Floats, Floats]:
        """Return (n, F, 3) scales and (n, F, 2) levels of each row's series; from the window if unseen."""
        scales = grouped(batch.binding, self.scales, batch.values, batch.imputed, self.season)
        levels = self.levels[batch.binding]
        unseen = np.flatnonzero(batch.binding < 0)
        if len(unseen):
            levels[unseen] = np.stack(robust_moments(batch.values[unseen]), axis=2)
        return scales, levels

    def _score(self, batch: WindowBatch) -> Floats:
        scores = self._of_features(self.features(batch))
        return np.asarray(trailing_mean(batch.state, scores)) if self.state_size else scores

    def _of_features(self, x: Floats) -> Floats:
        unknown = np.isnan(x[:, 0])
        if unknown.any():
            scores = np.full(len(x), np.nan)
            scores[~unknown] = forest_score(self._nodes, self.length, x[~unknown], self.samples)
            return scores
        return forest_score(self._nodes, self.length, x, self.samples)

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the value before (or the season's median); the band is found by trying values."""
        if self.state_size:
            limit = limit_of_newest(batch.state, limit)
        n, _, count = batch.values.shape
        scales, levels = self._usual(batch)
        expected = _expected(batch, self.season)
        lower, upper = np.full((n, count), np.nan), np.full((n, count), np.nan)
        at_once = max(1, _TRIED // (len(_BAND_STEPS) * batch.values[0].size)) if n else 1
        for f in range(count):
            for sign, bound in ((-1.0, lower), (1.0, upper)):
                ends = expected[:, f] + sign * _BAND_STEPS[:, None] * scales[:, f, 2 if self.season else 0]
                for first in range(0, n, at_once):
                    some = slice(first, first + at_once)
                    tried = np.repeat(batch.values[None, some], len(_BAND_STEPS), axis=0)
                    tried[:, :, -1, f] = ends[:, some]
                    parts = (np.concatenate([part[some]] * len(tried)) for part in (batch.imputed, scales, levels))
                    x = self.columns.of(tried.reshape(-1, *tried.shape[2:]), *parts)
                    too_much = self._of_features(x).reshape(tried.shape[:2]) > limit[some]
                    nearest = np.take_along_axis(ends[:, some], too_much.argmax(axis=0)[None], axis=0)[0]
                    bound[some, f] = np.where(too_much.any(axis=0), nearest, np.nan)
        return Explanation(expected, lower, upper, self._attribution(batch))

    def unusual(self, batch: WindowBatch) -> list[str]:
        """Name the group of columns without which the score falls most, and on which side of its usual values it is."""
        x, groups = self.features(batch), self.columns.groups
        score, each = self._of_features(x), self.columns.each
        leading = self._attribution(batch).argmax(axis=1)
        feature = leading[:, None] * each
        columns = [feature + np.arange(own.start, own.stop) for _, _, own in groups]
        most = self._falls(x, score, columns).argmax(axis=0)
        said = []
        for row, group in enumerate(most.tolist()):
            own = columns[group][row]
            above = np.nansum(x[row, own] - self.typical[own]) >= 0
            text = groups[group][0 if above else 1].format(points=self.spec.window)
            said.append(self._placed(text, batch.values[row, :, leading[row]], self.spec.features[leading[row]]))
        return said

    def _placed(self, text: str, values: Floats, name: str) -> str:
        """Add to what is unusual in a window (W,) which feature it is of, and which step if it is a step."""
        if text == LARGE_STEP:
            steps = np.abs(np.diff(values))
            ago = int(np.argmax(np.nan_to_num(steps)[::-1]))
            text += f", most of all {ago} points ago" if ago > 1 else ", most of all one point ago" if ago else ""
        if len(self.spec.features) == 1:
            return text
        return f"{name}{text[2:]}" if text.startswith("it ") else f"{text}, most of all {name}"

    def _falls(self, x: Floats, score: Floats, sets: Sequence[Ints]) -> Floats:
        """Return (sets, n) how much scores fall if columns, (n or 1, k) a set, are set to their typical values."""
        falls, at_once = np.zeros((len(sets), len(x))), max(1, _TRIED // (len(sets) * x.shape[1]))
        for first in range(0, len(x), at_once):
            some = np.arange(len(x))[first : first + at_once]
            typical, rows = np.repeat(x[None, some], len(sets), axis=0), np.arange(len(some))[:, None]
            for own, chosen in zip(typical, sets, strict=True):
                columns = chosen[some] if len(chosen) > 1 else chosen
                own[rows, columns] = np.where(np.isnan(own[rows, columns]), np.nan, self.typical[columns])
            scores = self._of_features(typical.reshape(-1, x.shape[1])).reshape(len(sets), len(some))
            falls[:, some] = np.nan_to_num(score[some] - scores)
        return falls

    def _attribution(self, batch: WindowBatch) -> Floats:
        """Return (n, F) shares of the score: how much it falls if a value's columns are set to their typical values."""
        n, _, count = batch.values.shape
        if count == 1:
            return np.ones((n, 1))
        x = self.features(batch)
        score, each = self._of_features(x), x.shape[1] // count
        features = [np.arange(f * each, (f + 1) * each)[None] for f in range(count)]
        fall = np.maximum(self._falls(x, score, features), 0).T
        total = fall.sum(axis=1, keepdims=True)
        return np.where(total > 0, fall / np.where(total > 0, total, 1), 1 / count)

    def state_bounds(self) -> Bounds | None:
        return state_bounds(self.smooth)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays: dict[str, NDArray[Any]] = {
            "forest.column": self.column,
            "forest.threshold": self.threshold,
            "forest.length": self.length,
            "series.scales": self.scales,
            "series.levels": self.levels,
            "typical": self.typical,
        }
        return arrays, {
            "series": self.names,
            "samples": self.samples,
            "season": self.season,
            "features": ",".join(self.columns.sets),
            "recent": self.columns.recent,
            "smooth": self.smooth,
        }

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> IsolationForest:
        kind, features, names = cls.kind, len(spec.features), read_names(cls.kind, params)
        if "features" not in params:  # saved before the parameter existed
            params = {**params, "features": "window", "recent": 1}
            shape = (len(names), features)
            arrays = {**arrays, "series.levels": np.stack([np.zeros(shape), np.ones(shape)], axis=2)}
        season = read_whole(kind, params, "season", 0, spec.window - 1)
        recent = read_whole(kind, params, "recent", 1, _MOST)
        columns = ForestColumns.named(str(params["features"]), spec.window, season, recent)
        if "season" in columns.sets and not season:
            raise ModelError(f"{kind}: parameter 'season': found 0, expected a period, as its residuals are columns")
        wide = columns.each * features
        trees, inner = shape_of(kind, arrays, "forest.column", 2)
        if (inner + 1).bit_count() != 1:
            raise ModelError(f"{kind}: array 'forest.column': found {inner} nodes a tree, expected perfect trees")
        found = read_arrays(kind, arrays, {
            "forest.column": Array((trees, inner), "whole", 0, wide - 1, dtype=arrays["forest.column"].dtype),
            "forest.threshold": Array((trees, inner), dtype=np.float32),
            "forest.length": Array((trees, inner + 1), low=0.0, dtype=np.float32),
            "series.scales": Array((len(names), features, _SCALES), above=0.0),
            "series.levels": Array((len(names), features, 2)),
            "typical": Array((wide,)),
        })  # fmt: skip
        if not (found["series.levels"][..., 1] > 0).all():
            raise ModelError(f"{kind}: array 'series.levels': found a scale that is not above 0")
        samples, smooth = read_whole(kind, params, "samples", 1, _MOST), read_whole(kind, params, "smooth", 1, _MOST, 1)
        return cls(spec, found, names, samples, columns, smooth)


def _rows(windows: FitWindows, rows: Ints, scales: Floats, levels: Floats, columns: ForestColumns) -> Floats:
    batches = windows.batches(rows, np.arange(len(windows.names)))
    found = [columns.of(b.values, b.imputed, scales[b.binding], levels[b.binding]) for _, b in batches]
    x = np.concatenate(found)
    known: Floats = x[~np.isnan(x[:, 0])]
    return known


def _grow(x: Floats, box: Floats, chosen: ForestParameters, seed: int) -> tuple[dict[str, NDArray[Any]], int]:
    """Return (arrays of the forest, samples per tree)."""
    from sklearn import ensemble  # noqa: PLC0415  trained with, never scored with

    extra = round(len(x) * chosen.background / (1 - chosen.background))
    spread = np.random.default_rng(seed).uniform(box[0], box[1], (extra, x.shape[1]))
    x = np.concatenate([x, spread]).astype(np.float32)
    samples = min(chosen.samples, len(x))
    forest = ensemble.IsolationForest(n_estimators=chosen.trees, max_samples=samples, random_state=seed, n_jobs=1).fit(
        x
    )
    depth = int(np.ceil(np.log2(max(samples, 2))))
    return flatten(forest.estimators_, forest.estimators_features_, depth), samples


def _expected(batch: WindowBatch, season: int) -> Floats:
    """Return (n, F) median of the season's earlier values, else the last value present before the newest."""
    past: Floats = np.where(batch.imputed[:, :-1, None], np.nan, batch.values[:, :-1])
    if season:
        phase = np.sort(past[:, -season::-season], axis=1)  # NaN last
        count = (~np.isnan(phase)).sum(axis=1)
        low, high = np.maximum((count - 1) // 2, 0)[:, None], np.minimum(count // 2, phase.shape[1] - 1)[:, None]
        middle: Floats = np.take_along_axis(phase, low, 1) + np.take_along_axis(phase, high, 1)
        return middle[:, 0] / 2
    last = np.max(np.where(~np.isnan(past), np.arange(past.shape[1])[None, :, None], 0), axis=1)
    newest: Floats = np.take_along_axis(past, last[:, None], axis=1)
    return newest[:, 0]
