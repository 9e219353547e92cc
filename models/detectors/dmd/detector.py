"""Forecast by dynamic mode decomposition, and score how far the newest point lies from the forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.errors import SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names, shape_of
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
from eddy.models.detectors.dmd import kernel
from eddy.models.detectors.dmd.fit import fit_operator
from eddy.models.preprocessing.fit_windows import FitWindows

_METHODS = ("hankel", "bop")
_BOP_SNAPSHOTS = 600  # columns that BOPDMD sees: its variable projection costs their square
_PRIOR_POINTS = 500.0  # weight of the batch fit, in points, when a series starts to learn on its own
_WINSOR = 99.0  # per cent: larger errors do not widen the usual error
_ARRAYS = ("operator", "basis", "inverse", "scale", "error")


@dataclass(frozen=True)
class DmdParameters:
    """Set the parameters of the DMD detector.

    Attributes:
        method: ``hankel`` (exact DMD on delay coordinates) or ``bop`` (bagging, optimised DMD, also on them).
        rank: largest number of modes.
        trials: bags of ``bop``; 0: optimised DMD without bags.
        online: keep learning on each series.
        forgetting: weight that the past loses per point online, 1 - λ; 0.001 remembers about 1,000 points.
        snapshots: largest number of training windows.
        validation_share: last part of each series that is held out.
    """

    method: str = "hankel"
    rank: int = 24
    trials: int = 0
    online: bool = True
    forgetting: float = 0.001
    snapshots: int = 8_000
    validation_share: float = 0.25


class DmdDetector(Detector):
    """Score the one-step error of a DMD forecast in units of its usual size, the largest over the features.

    The points of a window but the newest are delay coordinates (a Hankel matrix in training). DMD finds the linear
    operator that moves them one point on, by its leading modes; all series share it, each in its own scale. Online,
    each series learns a correction of its own in the coordinates of those modes, by recursive least squares with
    forgetting: ``state_size`` numbers a series, whatever the window. Missing values of the past hold the last one.

    Works for smooth dynamics, oscillations and their slow change.
    **Fails** on what is not nearly linear (bursts, counts near 0), on seasons longer than the window, and on noise, of
    which it can only say how large it usually is. A level shift is one large error, then is learned. Of its rarest
    errors less than four fifths are real events, so no alert of it is ``critical``.

    Parameters: :class:`DmdParameters`.
    Cost: state of ``rank`` squared numbers a series, as many operations a point; no state with ``online=false``.

    References:
        Schmid 2010, J. Fluid Mech. 656; Tu et al. 2014, J. Comput. Dyn. 1(2), exact DMD; Arbabi, Mezić 2017, SIAM J.
        Appl. Dyn. Syst. 16(4), Hankel DMD; Askham, Kutz 2018 and Sashidhar, Kutz 2022, BOP-DMD; Zhang, Rowley, Deem,
        Cattafesta 2019, SIAM J. Appl. Dyn. Syst. 18(3), online DMD with weighting. Fitted by PyDMD.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = DmdDetector.fit([train], WindowSpec(25), {"rank": 4})
        >>> values[400] += 1.0
        >>> int(np.nanargmax(detector.score_series("pump", ts, values)))
        400
    """

    kind = "dmd"
    parameters = DmdParameters

    def __init__(
        self, spec: WindowSpec, params: DmdParameters, arrays: Mapping[str, NDArray[Any]], names: Sequence[str]
    ) -> None:
        super().__init__(spec)
        self.params, self.names = params, tuple(names)
        self._arrays = {name: np.ascontiguousarray(arrays[name], float) for name in _ARRAYS}
        self._index = {name: i for i, name in enumerate(self.names)}
        self._forgetting = 1.0 - params.forgetting if params.online else 0.0
        self._state_width = kernel.state_width(len(spec.features), len(self._arrays["basis"]))
        self.state_size = self._state_width if params.online else 0

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[DmdDetector, FitReport]:
        chosen = _chosen(spec, params)
        windows = FitWindows.cut(series, spec, chosen.validation_share)
        scale = np.stack([_scale(windows, name, chosen.validation_share) for name in windows.names])
        progress("modes", 0.1)
        before, after = _pairs(windows, scale, chosen)
        found = fit_operator(
            before, after, len(spec.features), chosen.rank, chosen.method, chosen.trials, _PRIOR_POINTS, seed
        )
        arrays: dict[str, NDArray[Any]] = {"operator": found.operator, "basis": found.basis, "inverse": found.inverse}
        arrays |= {"scale": scale, "error": np.ones((len(scale) + 1, len(spec.features)))}
        blank = cls(spec, chosen, arrays, windows.names)
        progress("errors", 0.6)
        arrays["error"] = blank._usual_errors(windows)
        detector = cls(spec, chosen, arrays, windows.names)
        scores = {name: detector._validation(windows, name, chosen.validation_share) for name in windows.names}
        growth = float(np.abs(found.eigenvalues).max())
        notes = [*windows.notes, f"{len(found.eigenvalues)} modes, the largest eigenvalue {growth:.4f}"]
        return detector, FitReport(scores, [], notes)

    def bind(self, series: Sequence[str]) -> Ints:
        return np.array([self._index.get(name, -1) for name in series], np.int64)

    def score_segment(self, segment: Series, state: Floats) -> Floats:
        """Return what :meth:`score` gives window by window, but faster."""
        binding = self.bind([segment.name])
        row = state[0] if self.state_size else np.zeros(self._state_width)
        return np.asarray(
            kernel.series(
                row, np.ascontiguousarray(segment.values, float), segment.imputed, self.spec.window,
                self._scales(binding)[0], self._errors(binding)[0], *self._learned,
            )
        )  # fmt: skip

    @property
    def _learned(self) -> tuple[Floats, Floats, Floats, float]:
        return self._arrays["operator"], self._arrays["basis"], self._arrays["inverse"], self._forgetting

    def _scales(self, binding: Ints) -> Floats:
        """Return (n, F, 2) scales; NaN for series not seen: their first window sets the scale."""
        unseen = np.full((1, len(self.spec.features), 2), np.nan)
        return np.asarray(np.concatenate([self._arrays["scale"], unseen])[binding])

    def _errors(self, binding: Ints) -> Floats:
        return np.asarray(self._arrays["error"][binding])

    def _step(self, batch: WindowBatch, state: Floats) -> tuple[Floats, Floats, Floats]:
        """Return (scores, (n, F) of each feature, (n, F, 2) prediction and usual error); changes ``state``."""
        n, features = len(batch), len(self.spec.features)
        each, expected = np.empty((n, features)), np.empty((n, features, 2))
        windows = np.ascontiguousarray(batch.values, float)
        filled = batch.imputed[:, -1]
        if filled.any():  # filled-in points are not observations, so they are neither scored nor learned from
            windows = windows.copy()
            windows[filled, -1] = np.nan
        scores = kernel.rows(
            state, windows, self._scales(batch.binding), self._errors(batch.binding), *self._learned, each, expected
        )
        return np.asarray(scores), each, expected

    def _state(self, batch: WindowBatch) -> Floats:
        return batch.state if self.state_size else np.zeros((len(batch), self._state_width))

    def _score(self, batch: WindowBatch) -> Floats:
        return self._step(batch, self._state(batch))[0]

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the prediction; the band is where the feature's own error stays below the limit."""
        _, each, expected = self._step(batch, self._state(batch).copy())
        squares = np.nan_to_num(each) ** 2
        total = squares.sum(axis=1, keepdims=True)
        even = np.full_like(squares, 1.0 / squares.shape[1])
        share = np.divide(squares, total, out=even, where=total > 0)
        reach = np.maximum(limit, 0.0)[:, None] * expected[:, :, 1]
        middle = expected[:, :, 0]
        return Explanation(middle, middle - reach, middle + reach, share)

    def unusual(self, batch: WindowBatch) -> list[str]:
        before = self.spec.window - 1
        return [f"its newest point does not follow from the {before} before it as it does otherwise"] * len(batch)

    def _usual_errors(self, windows: FitWindows) -> Floats:
        """Return (S + 1, F) root mean square of held-out one-step errors, in scales; the last row is for all series."""
        held_out = np.flatnonzero(windows.validation)
        binding = np.arange(len(windows.names))
        errors, owner = [], []
        for part, batch in windows.batches(held_out, binding):
            scale = self._scales(batch.binding)
            _, each, _ = self._step(
                batch, np.zeros((len(batch), self._state_width))
            )  # with usual error 1, scores are errors
            errors.append(np.where(scale[:, :, 1] > 0, each, np.nan))
            owner.append(windows.series[part])
        every, of = np.concatenate(errors), np.concatenate(owner)
        pooled = _size(every)
        own = [_size(every[of == s], pooled) for s in binding]
        return np.stack([*own, pooled])

    def _validation(self, windows: FitWindows, name: str, share: float) -> Floats:
        parts = [s for s in windows.segments if s.name == name]
        scores = np.concatenate(self.score_segments(parts))
        held_out = scores[len(scores) - max(round(share * len(scores)), 1) :]
        return np.asarray(held_out[np.isfinite(held_out)])

    def state_bounds(self) -> Bounds | None:
        features, rank = len(self.spec.features), len(self._arrays["basis"])
        return kernel.bounds(features, rank) if self.state_size else None

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return dict(self._arrays), {**asdict(self.params), "series": list(self.names)}

    @classmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> DmdDetector:
        names, features = read_names(cls.kind, params), len(spec.features)
        chosen = _chosen(spec, {name: value for name, value in params.items() if name != "series"})
        rank, delays = shape_of(cls.kind, arrays, "basis", 2)[0], (spec.window - 1) * features
        wanted = {
            "operator": Array((features, delays)),
            "basis": Array((rank, delays)),
            "inverse": Array((rank + 1, rank + 1)),
            "scale": Array((len(names), features, 2)),
            "error": Array((len(names) + 1, features), above=0.0),
        }
        found = read_arrays(cls.kind, arrays, wanted)
        read_arrays(cls.kind, {"scale": found["scale"][:, :, 1]}, {"scale": Array((len(names), features), above=0.0)})
        return cls(spec, chosen, found, names)


def _chosen(spec: WindowSpec, params: Mapping[str, Any]) -> DmdParameters:
    """Read the parameters and check them.

    Raises:
        SettingsError: one is unknown or out of its range.
    """
    kind = DmdDetector.kind
    chosen = read_parameters(DmdParameters, kind, params)
    if chosen.method not in _METHODS or not chosen.rank or not 0 <= chosen.forgetting < 0.5 or spec.window < 3:
        raise SettingsError(
            f"{kind}: found method={chosen.method!r}, rank={chosen.rank}, forgetting={chosen.forgetting}, "
            f"window={spec.window}; expected method {' or '.join(_METHODS)}, a rank of at least 1, forgetting "
            "below 0.5, a window of at least 3"
        )
    return chosen


def _observed(s: Series) -> Floats:
    return np.where(s.imputed[:, None], np.nan, s.values)


def _scale(windows: FitWindows, name: str, validation_share: float) -> Floats:
    """Return (F, 2) median and scale of a series' training part; a constant one is scaled by its own value."""
    values = np.concatenate([_observed(s) for s in windows.segments if s.name == name])
    values = values[: max(round((1 - validation_share) * len(values)), 1)]
    values = np.where(np.isfinite(values).any(axis=0), values, 0.0)
    low, centre, high = np.nanpercentile(values, (5, 50, 95), axis=0)
    spread = np.where(high > low, high - low, np.nanmax(values, axis=0) - np.nanmin(values, axis=0))
    return np.stack([centre, np.where(spread > 0, spread, np.maximum(np.abs(centre), 1e-3))], axis=1)


def _pairs(windows: FitWindows, scale: Floats, chosen: DmdParameters) -> tuple[Floats, Floats]:
    """Return Hankel states (d·F, m) of the training windows, and the same states one point later."""
    rows = np.flatnonzero(~windows.validation)
    if chosen.method == "bop":
        longest = int(np.argmax(np.bincount(windows.series[rows])))
        rows = rows[windows.series[rows] == longest]
        jumps = np.flatnonzero(np.diff(windows.starts[rows]) != 1)  # its snapshots have to follow one another in time
        rows = max(np.split(rows, jumps + 1), key=len)[-_BOP_SNAPSHOTS:]
    else:
        rows = rows[:: -(-len(rows) // max(chosen.snapshots, 1))]
    parts = []
    for _, batch in windows.batches(rows, np.arange(len(windows.names))):
        own = scale[batch.binding][:, None]
        parts.append(_held((batch.values - own[..., 0]) / own[..., 1]))
    scaled = np.concatenate(parts)
    n = len(scaled)
    return scaled[:, :-1].reshape(n, -1).T, scaled[:, 1:].reshape(n, -1).T


def _held(values: Floats) -> Floats:
    """Return (n, W, F) with each missing value replaced by the one before it, or 0 (the centre) if there is none."""
    at = np.where(np.isfinite(values), np.arange(values.shape[1])[None, :, None], 0)
    return np.nan_to_num(np.take_along_axis(values, np.maximum.accumulate(at, axis=1), axis=1))


def _size(errors: Floats, otherwise: Floats | None = None) -> Floats:
    """Return (F,) root mean square of (n, F) winsorised errors; ``otherwise`` (or 1) if there are none."""
    result = np.ones(errors.shape[1]) if otherwise is None else otherwise.copy()
    for f in range(errors.shape[1]):
        known = errors[np.isfinite(errors[:, f]), f]
        if len(known):
            result[f] = np.sqrt(np.mean(np.minimum(known, np.percentile(known, _WINSOR)) ** 2))
    return np.maximum(result, 1e-3)
