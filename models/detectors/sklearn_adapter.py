"""Outlier detectors of scikit-learn on scaled windows, saved as the windows that they were fitted on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import DataError, ModelError, SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names, read_whole, shape_of
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
from eddy.models.preprocessing.fit_windows import FitWindows
from eddy.models.preprocessing.scaled_windows import ScaledWindows
from eddy.models.preprocessing.scaler import SeriesScaler

#: what an artifact may name: nothing else is ever imported for one
ESTIMATORS = {
    "EllipticEnvelope": "sklearn.covariance",
    "IsolationForest": "sklearn.ensemble",
    "LocalOutlierFactor": "sklearn.neighbors",
    "OneClassSVM": "sklearn.svm",
    "SGDOneClassSVM": "sklearn.linear_model",
}
_BOUNDED = ("IsolationForest", "OneClassSVM", "SGDOneClassSVM")
_BOUNDED_NOTE = "scores of {} have an upper bound, which 'tail' may lie above: take --threshold max or percentile"
_JITTER = 0.01  # spreads: keeps equal windows apart, which some estimators cannot take
_CHECKED = 32  # windows whose scores are stored, to see that the estimator was rebuilt as it was
_TOLERANCE = 1e-6
_MAX_SEED = 2**32 - 1  # what scikit-learn takes
_NEIGHBOURS = 5  # windows that the expected value is taken from


@dataclass(frozen=True)
class SklearnParameters:
    """Parameters besides those of the estimator itself, such as ``n_neighbors`` or ``nu``, which go by their own names.

    Attributes:
        estimator: class of scikit-learn: LocalOutlierFactor, OneClassSVM, SGDOneClassSVM, EllipticEnvelope or
            IsolationForest.
        samples: most windows that it is fitted on, spread evenly; they are the artifact, and the estimator is fitted
            on them again wherever the model is loaded.
        validation_share: last part of each series that is held out.
    """

    estimator: str = "LocalOutlierFactor"
    samples: int = 1000
    validation_share: float = 0.25


class SklearnDetector(Detector):
    """Score windows by any outlier detector of scikit-learn: ``-score_samples`` of the window's scaled values.

    Works where windows of normal data are alike after each series has been scaled by its own median and spread.
    **Fails** on what the chosen estimator fails at; with long windows of few series (distances in many dimensions say
    little: take a short window); where the level of a series leaves that of its training data; and with the default
    threshold ``tail`` for OneClassSVM, SGDOneClassSVM and IsolationForest, whose scores have an upper bound that the
    limit may lie above: take ``max`` or ``percentile`` for these. No alert of it is ``critical``: an estimator of one's
    choice has not been shown to be that sure.

    Nothing is pickled: the artifact holds the sample of windows, the estimator's name and its parameters, and a worker
    fits it again when it loads the model, which needs scikit-learn there (extra ``sklearn``) and takes what fitting
    takes. Stored scores are compared then: another release of scikit-learn that scores differently is refused.

    Cost: memory ``samples`` windows; CPU as the estimator, a few ms per batch for most. No state per series.

    Args:
        spec: the windows.
        params: see :class:`SklearnParameters`.
        options: parameters of the estimator, as plain values.
        scaler: fitted on the training data.
        sample: (m, W * F) windows in spreads of their series.
        seed: of estimators that draw at random.
        expected: (k,) scores of the first windows of the sample, as they were; None while fitting.

    References:
        Pedregosa et al. 2011, Scikit-learn: Machine Learning in Python; Breunig et al. 2000 for LocalOutlierFactor;
        Schölkopf et al. 2001 for OneClassSVM; Rousseeuw, Van Driessen 1999 for EllipticEnvelope.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> values = rng.normal(10, 1, (200, 1))
        >>> series = Series("pump", np.arange(200) * 60_000, values, np.zeros(200, bool))
        >>> detector, _ = SklearnDetector.fit([series], WindowSpec(4), {"n_neighbors": 10})
        >>> scores = detector.score_series("pump", np.arange(6), np.array([[10.0], [10], [10], [10], [10], [25]]))
        >>> bool(scores[5] > 3 * scores[4])
        True
    """

    kind = "sklearn"
    parameters = SklearnParameters

    def __init__(
        self,
        spec: WindowSpec,
        params: SklearnParameters,
        options: Mapping[str, Any],
        scaler: SeriesScaler,
        sample: Floats,
        seed: int,
        expected: Floats | None = None,
    ) -> None:
        super().__init__(spec)
        self.params, self.options, self.scaler, self.sample, self.seed = params, dict(options), scaler, sample, seed
        self._estimator = _estimator(params.estimator, self.options, seed)
        try:
            self._estimator.fit(sample)
        except ValueError as error:
            raise DataError(
                f"{self.kind}: {params.estimator} cannot be fitted on {len(sample)} windows: {error}"
            ) from None
        found = self._scores(sample[:_CHECKED])
        if expected is not None and not np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
            raise ModelError(
                f"{self.kind}: {params.estimator} of scikit-learn {_version()} scores otherwise than when the model "
                "was trained: train it again, or install the release it was trained with"
            )
        self._expected = found

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[SklearnDetector, FitReport]:
        own = {f.name for f in fields(SklearnParameters)}
        chosen = read_parameters(SklearnParameters, cls.kind, {k: v for k, v in params.items() if k in own})
        options = {name: value for name, value in params.items() if name not in own}
        _estimator(chosen.estimator, options, seed)  # a wrong name is told before any work
        windows = FitWindows.cut(series, spec, chosen.validation_share)
        scaler = SeriesScaler.fit(windows.segments)
        rows = np.flatnonzero(~windows.validation)
        rows = rows[np.linspace(0, len(rows) - 1, min(max(chosen.samples, 2), len(rows))).astype(np.int64)]
        binding = scaler.bind(windows.names)
        parts = [ScaledWindows.of(scaler, batch) for _, batch in windows.batches(rows, binding)]
        sample = np.concatenate([part.x[part.scored].reshape(-1, spec.window * len(spec.features)) for part in parts])
        jitter = np.random.default_rng(seed).normal(0, _JITTER, (len(sample), spec.window))
        sample += np.repeat(jitter, len(spec.features), axis=1)  # the same for all features: order does not count
        progress("fitting", 0.2)
        detector = cls(spec, chosen, options, scaler, sample, seed)
        held_out = np.flatnonzero(windows.validation)
        scores = [detector.score(batch) for _, batch in windows.batches(held_out, binding)]
        notes = [*windows.notes, *([_BOUNDED_NOTE.format(chosen.estimator)] if chosen.estimator in _BOUNDED else [])]
        return detector, FitReport(windows.by_series(held_out, np.concatenate(scores)), notes=notes)

    def bind(self, series: Sequence[str]) -> Ints:
        return self.scaler.bind(series)

    def describe(self) -> dict[str, Any]:
        return {"estimator": self.params.estimator, **self.options}

    def _scores(self, flat: Floats) -> Floats:
        return -np.asarray(self._estimator.score_samples(flat), np.float64).ravel()

    def _score(self, batch: WindowBatch) -> Floats:
        scaled = ScaledWindows.of(self.scaler, batch)
        scores = np.full(len(batch), np.nan)
        if scaled.scored.any():
            scores[scaled.scored] = self._scores(scaled.x[scaled.scored].reshape(int(scaled.scored.sum()), -1))
        return scores

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Expected: the mean of the newest values of the windows in the sample that are most like this one before its
        newest point; the band is their range.
        """
        scaled = ScaledWindows.of(self.scaler, batch)
        known = self.sample.reshape(-1, *scaled.x.shape[1:])
        before, past = scaled.x[:, :-1].reshape(len(batch), -1), known[:, :-1].reshape(len(known), -1)
        like = known[self._nearest(before, past), -1]
        middle = like.mean(axis=1)
        off = np.where(scaled.valid[:, -1], np.square(scaled.x[:, -1] - middle), 0.0)
        total = off.sum(axis=1, keepdims=True)
        share = np.divide(off, total, out=np.full_like(off, 1 / off.shape[1]), where=total > 0)
        raw = [part * scaled.scale + scaled.centre for part in (middle, like.min(axis=1), like.max(axis=1))]
        return Explanation(raw[0], raw[1], raw[2], share)

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint:
        """Return the point farthest out of the range of the sample's windows that are most like this one."""
        scaled = ScaledWindows.of(self.scaler, batch)
        known, rows = self.sample.reshape(-1, *scaled.x.shape[1:]), np.arange(len(batch))
        like = known[self._nearest(scaled.x.reshape(len(batch), -1), known.reshape(len(known), -1))]
        lower, middle, upper = like.min(axis=1), like.mean(axis=1), like.max(axis=1)
        off = np.where(scaled.valid, np.maximum(lower - scaled.x, scaled.x - upper), -np.inf)
        ago = off.max(axis=2)[:, ::-1].argmax(axis=1)
        raw = [part[rows, -1 - ago] * scaled.scale + scaled.centre for part in (middle, lower, upper)]
        return FarthestPoint(ago, batch.values[rows, -1 - ago], raw[0], raw[1], raw[2])

    @staticmethod
    def _nearest(windows: Floats, sample: Floats) -> Ints:
        """Return (n, k) the rows of a sample (m, D) that are nearest to windows (n, D)."""
        apart = np.square(windows).sum(1)[:, None] - 2 * windows @ sample.T + np.square(sample).sum(1)
        return np.argsort(apart, axis=1, kind="stable")[:, :_NEIGHBOURS]

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays = {
            "sample": self.sample,
            "scores": self._expected,
            "scaler.centre": self.scaler.centre,
            "scaler.spread": self.scaler.spread,
        }
        own = {"series": self.scaler.names, "options": self.options, "seed": self.seed}
        return arrays, {**asdict(self.params), **own}

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> SklearnDetector:
        names, features = read_names(cls.kind, params), len(spec.features)
        samples, seed = shape_of(cls.kind, arrays, "sample", 2)[0], read_whole(cls.kind, params, "seed", 0, _MAX_SEED)
        if not isinstance(params["options"], Mapping):
            raise ModelError(f"{cls.kind}: parameter 'options': expected an object")
        found = read_arrays(cls.kind, arrays, {
            "sample": Array((samples, spec.window * features)),
            "scores": Array((min(samples, _CHECKED),)),
            "scaler.centre": Array((len(names), features)),
            "scaler.spread": Array((len(names), features), above=0.0),
        })  # fmt: skip
        own = {f.name for f in fields(SklearnParameters)}
        try:
            chosen = read_parameters(SklearnParameters, cls.kind, {k: v for k, v in params.items() if k in own})
            scaler = SeriesScaler(names, found["scaler.centre"], found["scaler.spread"])
            return cls(spec, chosen, params["options"], scaler, found["sample"], seed, found["scores"])
        except (SettingsError, DataError) as error:
            raise ModelError(str(error)) from None


def _estimator(name: str, options: Mapping[str, Any], seed: int) -> Any:
    """A new estimator.

    Raises:
        SettingsError: scikit-learn is not installed, or has no such estimator or parameter; names it.
    """
    from importlib import import_module  # noqa: PLC0415

    if name not in ESTIMATORS:
        raise SettingsError(f"sklearn: estimator {name!r} is not supported; expected one of {', '.join(ESTIMATORS)}")
    try:
        cls = getattr(import_module(ESTIMATORS[name]), name)
    except ImportError:
        raise SettingsError(
            "sklearn: this needs scikit-learn: pip install 'eddy-anomaly[sklearn]', on workers too"
        ) from None
    known = cls().get_params()
    for option, value in options.items():
        if option not in known or option in ("novelty", "random_state", "n_jobs"):
            near = difflib.get_close_matches(option, known, 1) or sorted(known)
            raise SettingsError(f"sklearn: {name} has no parameter {option!r} to be set; did you mean {near[0]!r}?")
        if not isinstance(value, str | int | float | bool | None):
            raise SettingsError(f"sklearn: parameter {option!r}: found {value!r}, expected a number or text")
    fixed = {"novelty": True, "random_state": seed}
    return cls(**options, **{option: value for option, value in fixed.items() if option in known})


def _version() -> str:
    import sklearn  # noqa: PLC0415

    return str(sklearn.__version__)
