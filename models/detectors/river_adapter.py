"""Anomaly estimators of river, one per series, their state kept as plain numbers in keyed state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError, ModelError, SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names, read_states, read_whole
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
from eddy.models.core.state_bounds import Bounds, Each, Numbers, Row, count, one_of, size
from eddy.models.preprocessing.scaler import SeriesScaler, in_spreads
from eddy.models.preprocessing.segments import by_name, measured

_BAND = 3.0  # spreads to either side of the median
_SCALE_TO_UNIT = 0.1  # a spread in half-space trees, which expect values from 0 to 1
_STARTED = 0  # element of a state row: 1 once the series has begun
_MIN_POINTS = 32
_MAX_SEED = 2**53
_SMALLEST = 1e-12  # of 1 - score


@dataclass(frozen=True)
class RiverParameters:
    """Parameters; those of another estimator than the chosen one have to keep their defaults.

    Attributes:
        estimator: class of ``river.anomaly``: HalfSpaceTrees, GaussianScorer, StandardAbsoluteDeviation or OneClassSVM.
        n_trees: of HalfSpaceTrees.
        height: of HalfSpaceTrees; each more doubles the state.
        window_size: of HalfSpaceTrees: points after which it forgets what came before.
        grace_period: of GaussianScorer: points before which the score is 0.
        nu: of OneClassSVM.
    """

    estimator: str = "HalfSpaceTrees"
    n_trees: int = 10
    height: int = 6
    window_size: int = 250
    grace_period: int = 100
    nu: float = 0.1


class RiverDetector(Detector):
    """Score each point by an estimator of river, which learns it afterwards; every series has an estimator of its own.

    Works on streams whose usual values may change: the estimators follow. Values are scaled by the median and spread
    of the series in training; a series that training has not seen by those of its window. **Fails** on anomalies that
    lie together, which the trees learn as a place like any other, on seasons (time of day is not looked at), and by
    saturation: a huge anomaly is like a large one for ``HalfSpaceTrees`` and ``GaussianScorer``. Their scores s, from 0
    to 1, are given as -ln(1 - s), at most 27.6, so that a threshold has room above the usual ones; for the trees that
    is seldom enough: take ``--threshold percentile`` there. No alert of it is ``critical``: an estimator of one's
    choice has not been shown to be that sure.
    ``OneClassSVM`` is linear and looks at one side. Several features: the trees and the SVM see them together, of the
    others the largest score counts.

    Nothing is pickled. The state of a series is the numbers that the estimator has learned: the masses of all nodes
    (``2 * n_trees * (2**(height + 1) - 1)`` numbers, 20 kB with the defaults), counts, means and squares, or weights.
    The trees themselves follow from the seed; the artifact has their splits, and a release of river that would draw
    others is refused. Not supported: ``LocalOutlierFactor``, which keeps its past as objects, and the wrappers
    ``QuantileFilter``, ``ThresholdFilter`` and ``PredictiveAnomalyDetection``, which hold any other model.

    Cost: pure Python, about 0.5 ms a point for the trees: hundreds of points a second, not hundreds of thousands.

    Args:
        spec: the window serves to scale series that training has not seen; only the newest point is learned.
        params: see :class:`RiverParameters`.
        scaler: fitted on the training data.
        start: (S + 1, state_size) state of each series at the end of its training data; last, of all one after the
            other: for series not seen.
        seed: of the trees.

    References:
        Montiel et al. 2021, River: machine learning for streaming data in Python, JMLR 22; Tan, Ting, Liu 2011, Fast
        anomaly detection for streaming data, IJCAI, for HalfSpaceTrees.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> values = rng.normal(10, 1, (200, 1))
        >>> series = Series("pump", np.arange(200) * 60_000, values, np.zeros(200, bool))
        >>> detector, _ = RiverDetector.fit([series], WindowSpec(4), {"estimator": "GaussianScorer"})
        >>> detector.state_size
        4
        >>> scores = detector.score_series("pump", np.arange(6), np.array([[10.0], [10], [10], [10], [10], [25]]))
        >>> bool(scores[5] > 20 > scores[4])
        True
    """

    kind = "river"
    parameters = RiverParameters
    continues = True

    def __init__(
        self, spec: WindowSpec, params: RiverParameters, scaler: SeriesScaler, start: Floats | None, seed: int
    ) -> None:
        super().__init__(spec)
        self.params, self.scaler, self.seed = params, scaler, seed
        self.model = _model(params, len(spec.features), seed)
        self.state_size = 1 + len(self.model.numbers())
        fresh = np.r_[1.0, self.model.numbers()][None]
        self._start = np.repeat(fresh, len(scaler.names) + 1, axis=0) if start is None else start

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[RiverDetector, FitReport]:
        """Send each series through an estimator; the scores of its second half are the validation scores."""
        chosen = read_parameters(RiverParameters, cls.kind, params)
        every = [measured(segments) for segments in by_name(series).values()]
        usable = [s for s in every if int(np.isfinite(s.values).any(axis=1).sum()) >= _MIN_POINTS]
        if not usable:
            most = max(every, key=lambda s: len(s.ts), default=None)
            found = f"series {most.name!r}: found {len(most.ts)} points" if most else "no series"
            raise DataError(f"{cls.kind}: {found}, needed at least {_MIN_POINTS} with a value")
        scaler = SeriesScaler.fit(usable)
        detector = cls(spec, chosen, scaler, None, seed)
        report, everything = FitReport({}), detector._start[-1:].copy()
        for i, one in enumerate(usable):
            progress(one.name, i / len(usable))
            row = int(scaler.bind([one.name])[0])
            z = in_spreads(one.values, scaler.centre[row], scaler.spread[row])
            scores = detector._run(detector._start[row : row + 1], z)[len(z) // 2 :]
            detector._run(everything, z)
            report.scores[one.name] = scores[np.isfinite(scores)]
        detector._start[-1] = everything[0]
        if chosen.estimator == "HalfSpaceTrees":
            report.notes.append(
                "half-space trees score the edge of the usual like what is far out: 'tail' may lie above "
                "every score: take --threshold percentile or max"
            )
        return detector, report

    def bind(self, series: Sequence[str]) -> Ints:
        return self.scaler.bind(series)

    def describe(self) -> dict[str, Any]:
        return {"estimator": self.params.estimator}

    def _scaled(self, batch: WindowBatch) -> tuple[Floats, Floats, Floats]:
        """(n, F) newest values in spreads, their centre and spread."""
        centre, spread = self.scaler.moments(batch.values, batch.binding)
        newest = np.where(batch.imputed[:, -1, None], np.nan, batch.values[:, -1])
        return in_spreads(newest, centre, spread), centre, spread

    def _score(self, batch: WindowBatch) -> Floats:
        untouched = batch.state[:, _STARTED] == 0.0
        batch.state[untouched] = self._start[batch.binding[untouched]]
        z = self._scaled(batch)[0]
        return np.array([self._run(batch.state[i : i + 1], z[i : i + 1])[0] for i in range(len(batch))])

    def _run(self, state: Floats, z: Floats) -> Floats:
        """(n,) scores of consecutive points of one series, (n, F) in spreads; ``state`` (1, size) goes along."""
        self.model.load(state[0, 1:])
        scores = np.full(len(z), np.nan)
        for i, point in enumerate(z.tolist()):
            known = {f: value for f, value in enumerate(point) if value == value}  # noqa: PLR0124  NaN is not itself
            if known:
                scores[i] = self.model.step(known)
        state[0, 1:] = self.model.numbers()
        return scores

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Expected: the median of the training data; the band is three spreads wide to either side."""
        z, centre, spread = self._scaled(batch)
        off = np.nan_to_num(np.square(z))
        total = off.sum(axis=1, keepdims=True)
        share = np.divide(off, total, out=np.full_like(off, 1 / off.shape[1]), where=total > 0)
        return Explanation(centre, centre - _BAND * spread, centre + _BAND * spread, share)

    def unusual(self, batch: WindowBatch) -> list[str]:
        alone = len(self.spec.features) == 1
        return [
            "its newest value lies where few have been before"
            if alone
            else "its newest values lie together where few have been before"
        ] * len(batch)

    def state_bounds(self) -> Bounds:
        return self._bounds(begun=0)

    def _bounds(self, begun: int) -> Bounds:
        return Row(one_of(begun, 1), self.model.bounds())

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays = {
            "start": self._start,
            "fixed": self.model.fixed(),
            "scaler.centre": self.scaler.centre,
            "scaler.spread": self.scaler.spread,
        }
        return arrays, {**asdict(self.params), "series": self.scaler.names, "seed": self.seed}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> RiverDetector:
        names, shape = read_names(cls.kind, params), (len(params["series"]), len(spec.features))
        seed = read_whole(cls.kind, params, "seed", 0, _MAX_SEED)
        own = {name: value for name, value in params.items() if name not in ("series", "seed")}
        tables = read_arrays(
            cls.kind, arrays, {"scaler.centre": Array(shape), "scaler.spread": Array(shape, above=0.0)}
        )
        try:
            chosen = read_parameters(RiverParameters, cls.kind, own)
            scaler = SeriesScaler(names, tables["scaler.centre"], tables["scaler.spread"])
            detector = cls(spec, chosen, scaler, None, seed)
        except SettingsError as error:
            raise ModelError(str(error)) from None
        wanted = {"start": Array((len(names) + 1, detector.state_size))}
        start = read_arrays(cls.kind, arrays, wanted)["start"]
        detector._start = read_states(cls.kind, "start", start, detector._bounds(begun=1), names)
        if not np.array_equal(np.asarray(arrays["fixed"], float), detector.model.fixed()):
            raise ModelError(
                f"{cls.kind}: this release of river draws other trees than the one the model was trained with: train "
                "it again, or install that one"
            )
        return detector


class _Trees:
    """HalfSpaceTrees: the masses of the nodes are what it learns."""

    options = ("n_trees", "height", "window_size")

    def __init__(self, anomaly: Any, params: RiverParameters, features: int, seed: int) -> None:
        self._of = anomaly.HalfSpaceTrees(params.n_trees, params.height, params.window_size, seed=seed)
        self._of.learn_one(dict.fromkeys(range(features), 0.5))  # builds the trees
        self._nodes = [node for tree in self._of.trees for node in tree.iter_dfs()]
        self.load(np.r_[0.0, 1.0, np.zeros(2 * len(self._nodes))])

    def step(self, point: Mapping[int, float]) -> float:
        x = {f: min(max(0.5 + _SCALE_TO_UNIT * value, 0.0), 1.0) for f, value in point.items()}
        score = self._of.score_one(x)
        self._of.learn_one(x)
        return _surprise(score)

    def numbers(self) -> Floats:
        masses = [node.l_mass for node in self._nodes] + [node.r_mass for node in self._nodes]
        return np.array([self._of.counter, self._of._first_window, *masses], np.float64)

    def load(self, numbers: Floats) -> None:
        found = numbers.astype(np.int64).tolist()
        self._of.counter, self._of._first_window = found[0], bool(found[1])
        n = len(self._nodes)
        for node, left, right in zip(self._nodes, found[2 : 2 + n], found[2 + n :], strict=True):
            node.l_mass, node.r_mass = left, right

    def bounds(self) -> Bounds:
        return Row(count(), count(1), Each(count(), 2 * len(self._nodes)))

    def fixed(self) -> Floats:
        """Splits of the trees, which follow from the seed."""
        return np.array([[node.feature, node.threshold] for node in self._nodes if hasattr(node, "threshold")], float)


class _Moments:
    """GaussianScorer and StandardAbsoluteDeviation, one per feature: count, mean, sum of squares."""

    options: tuple[str, ...] = ()

    def __init__(self, anomaly: Any, params: RiverParameters, features: int, seed: int) -> None:
        self._of = [self._new(anomaly, params) for _ in range(features)]

    def _new(self, anomaly: Any, params: RiverParameters) -> Any:
        return anomaly.StandardAbsoluteDeviation()

    def _of_one(self, score: float) -> float:
        return float(score)

    def _parts(self, one: Any) -> tuple[Any, Any]:
        """(the variance, a mean kept beside it or None)."""
        return one.variance, one.sub_stat

    def step(self, point: Mapping[int, float]) -> float:
        scores = [self._of_one(self._of[f].score_one(None, value)) for f, value in point.items()]
        for f, value in point.items():
            self._of[f].learn_one(None, value)
        return max(scores)

    def numbers(self) -> Floats:
        found = []
        for one in self._of:
            variance, _ = self._parts(one)
            found += [float(variance.mean.n), float(variance.mean.get()), float(variance._S)]
        return np.array(found)

    def load(self, numbers: Floats) -> None:
        for one, (n, mean, squares) in zip(self._of, numbers.reshape(-1, 3).tolist(), strict=True):
            variance, beside = self._parts(one)
            for each in (variance.mean, beside) if beside is not None else (variance.mean,):
                each.n, each._mean = n, mean
            variance._S = squares

    def bounds(self) -> Bounds:
        return Each(Row(count(), Numbers(), size()), len(self._of))

    def fixed(self) -> Floats:
        return np.zeros(0)


class _Gaussian(_Moments):
    options = ("grace_period",)

    def _new(self, anomaly: Any, params: RiverParameters) -> Any:
        return anomaly.GaussianScorer(grace_period=params.grace_period)

    def _of_one(self, score: float) -> float:
        return _surprise(score)

    def _parts(self, one: Any) -> tuple[Any, Any]:
        return one.gaussian._var, None


class _Svm:
    """OneClassSVM: weights, intercept, and how many points it has learned."""

    options = ("nu",)

    def __init__(self, anomaly: Any, params: RiverParameters, features: int, seed: int) -> None:
        self._of, self._features = anomaly.OneClassSVM(nu=params.nu), features

    def step(self, point: Mapping[int, float]) -> float:
        score = float(self._of.score_one(point))
        self._of.learn_one(point)
        return score

    def numbers(self) -> Floats:
        weights = self._of.weights
        learned = [weights.get(f, 0.0) for f in range(self._features)]
        return np.array([self._of.optimizer.n_iterations, self._of.intercept, *learned], np.float64)

    def load(self, numbers: Floats) -> None:
        self._of.optimizer.n_iterations, self._of.intercept = int(numbers[0]), float(numbers[1])
        for f, weight in enumerate(numbers[2:].tolist()):
            self._of._weights[f] = weight

    def bounds(self) -> Bounds:
        return Row(count(), Numbers(1 + self._features))

    def fixed(self) -> Floats:
        return np.zeros(0)


def _surprise(score: float) -> float:
    """-ln(1 - score) of a score from 0 to 1: keeps the order, and leaves a threshold room above the usual scores."""
    return -math.log(max(1.0 - score, _SMALLEST))


_MODELS: Mapping[str, Any] = {
    "HalfSpaceTrees": _Trees,
    "GaussianScorer": _Gaussian,
    "StandardAbsoluteDeviation": _Moments,
    "OneClassSVM": _Svm,
}
_NO = {
    "LocalOutlierFactor": "it keeps its past as objects, not as numbers",
    **dict.fromkeys(
        ("QuantileFilter", "ThresholdFilter", "PredictiveAnomalyDetection"), "it holds any other model of river"
    ),
}


def _model(params: RiverParameters, features: int, seed: int) -> Any:
    """A new estimator.

    Raises:
        SettingsError: river is not installed, the estimator is not supported, or a parameter is of another one.
    """
    name = params.estimator
    if name not in _MODELS:
        why = f": {_NO[name]}, and nothing is pickled here" if name in _NO else ""
        raise SettingsError(f"river: estimator {name!r} is not supported{why}; expected one of {', '.join(_MODELS)}")
    defaults, own = asdict(RiverParameters()), ("estimator", *_MODELS[name].options)
    for option, value in asdict(params).items():
        if option not in own and value != defaults[option]:
            raise SettingsError(f"river: {name} has no parameter {option!r}")
    if name == "HalfSpaceTrees" and not (params.n_trees and params.window_size and 1 <= params.height <= 12):
        raise SettingsError("river: HalfSpaceTrees: expected n_trees and window_size above 0, height 1 to 12")
    try:
        from river import anomaly  # noqa: PLC0415
    except ImportError:
        raise SettingsError("river: this needs river: pip install 'eddy-anomaly[river]', on workers too") from None
    return _MODELS[name](anomaly, params, features, seed)
