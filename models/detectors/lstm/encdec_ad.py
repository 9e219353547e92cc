"""Score by the Mahalanobis distance of an LSTM encoder-decoder's error vectors (EncDec-AD)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddy.errors import ModelError, SettingsError
from eddy.models.core.arrays import Array, read_arrays
from eddy.models.core.detector import (
    Bools,
    Explanation,
    FarthestPoint,
    Floats,
    Ints,
    Progress,
    WindowBatch,
    WindowSpec,
)
from eddy.models.detectors.lstm.course import course_unlike_training, farthest_of
from eddy.models.detectors.lstm.error_gaussian import ErrorGaussian
from eddy.models.detectors.lstm.layers import Dense, Layer, decode_backwards
from eddy.models.detectors.lstm.sequence_autoencoder import SequenceAutoencoder, SequenceParameters
from eddy.models.preprocessing.fit_windows import FitWindows
from eddy.models.preprocessing.scaled_windows import ScaledWindows
from eddy.models.preprocessing.scaler import SeriesScaler

_KINDS = ("window", "point")


@dataclass(frozen=True)
class EncDecParameters(SequenceParameters):
    """Set the parameters of EncDec-AD, besides those of :class:`.SequenceParameters`.

    Attributes:
        hidden: units of encoder and decoder.
        errors: ``point``: an error vector per point, one component per feature, as in the paper; the score is the mean
            over the scored points. ``window``: one error vector of all scored points and features together, whose
            covariance also covers which errors occur together in time.
    """

    hidden: int = 64
    errors: str = "window"


class EncDecAD(SequenceAutoencoder):
    """Score a = (e - μ)' Σ^-1 (e - μ) of the errors with which an encoder-decoder rebuilds a window: EncDec-AD.

    The decoder is taught with the true points. μ and Σ come from error vectors of held-out windows that decide when
    training stops (v_N1 in the paper), the validation scores from windows after them (v_N2): choose the threshold from
    those, or by F-beta where labelled scores exist. Σ is full; where it is singular it is shrunk and the report says
    so. A missing or filled-in value counts as an error of its mean. With a ``stride`` of the window, windows do not
    overlap; with ``step`` of the window those of training do not either.

    Works as published for regular cycles with many held-out windows.
    **Fails** where the encoder can carry an anomaly through to the decoder (it has seen the newest point), and where
    there are few held-out windows for the components of an error vector: the score of a new window is then far above
    the validation scores. Scores grow with the number of components: they compare within a model only. No alert
    of it is ``critical``: it has not been shown to be that sure.

    Parameters: :class:`EncDecParameters`.
    Cost: as ``lstm-autoencoder``, with twice the hidden units by default; no state.

    References:
        Malhotra, Ramakrishnan, Anand, Vig, Agarwal, Shroff 2016, LSTM-based Encoder-Decoder for Multi-sensor Anomaly
        Detection, sections 2.1 and 2.2.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 30)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> params = {"hidden": 8, "epochs": 3, "errors": "point", "judged": 2}
        >>> detector, _ = EncDecAD.fit([train], WindowSpec(24), params)
        >>> values[400] += 9
        >>> int(np.nanargmax(detector.score_series("pump", ts, values))) in range(400, 402)
        True
    """

    kind = "lstm-encdec"
    parameters: ClassVar[type[SequenceParameters]] = EncDecParameters
    chosen: EncDecParameters

    def __init__(
        self,
        spec: WindowSpec,
        arrays: Mapping[str, NDArray[Any]],
        scaler: SeriesScaler,
        chosen: EncDecParameters,
        gaussian: ErrorGaussian | None = None,
    ) -> None:
        _check_errors(chosen)
        super().__init__(spec, arrays, scaler, chosen)
        size = len(spec.features) * (self.scored_points if chosen.errors == "window" else 1)
        self.gaussian = gaussian or ErrorGaussian(np.zeros(size), np.eye(size))
        if self.gaussian.mean.shape != (size,) or self.gaussian.root.shape != (size, size):
            raise ModelError(f"{self.kind}: array 'error.root' does not fit {size} error components")

    @classmethod
    def _train(cls, data: Any, chosen: EncDecParameters, seed: int, progress: Progress) -> Any:
        from eddy.models.detectors.lstm.sequence_training import train_encoder_decoder  # noqa: PLC0415

        _check_errors(chosen)
        return train_encoder_decoder(data, chosen.hidden, chosen, seed, progress)

    @classmethod
    def _with_errors(
        cls, spec: WindowSpec, arrays: Any, scaler: SeriesScaler, chosen: Any, windows: FitWindows, rows: Ints,
        notes: list[str],
    ) -> EncDecAD:  # fmt: skip
        blank = cls(spec, arrays, scaler, chosen)
        found = []
        for _, batch in windows.batches(rows, np.arange(len(windows.names))):
            errors, valid, _ = blank._errors(ScaledWindows.of(scaler, batch))
            found.append(blank._vectors(errors)[blank._complete(valid)])
        vectors = np.concatenate([part.reshape(-1, part.shape[-1]) for part in found])
        gaussian, note = ErrorGaussian.fit(vectors)
        notes += [note] if note else []
        return cls(spec, arrays, scaler, chosen, _in_float32(gaussian))

    def _vectors(self, errors: Floats) -> Floats:
        """Return (n, vectors, D): one vector per scored point, or a single one."""
        return errors if self.chosen.errors == "point" else errors.reshape(len(errors), 1, -1)

    def _complete(self, valid: Bools) -> Bools:
        """Return (n, vectors) which vectors have all their components."""
        return np.asarray(self._vectors(valid.astype(float)).all(axis=2))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        hidden, features = self.chosen.hidden, len(self.spec.features)
        layer = {"input": (4 * hidden, features), "recurrent": (4 * hidden, hidden), "bias": (4 * hidden,)}
        both = {f"{part}.{name}": shape for part in ("encoder", "decoder") for name, shape in layer.items()}
        return {**both, "dense.weight": (features, hidden), "dense.bias": (features,)}

    def _pack(self) -> None:
        self._encoder, self._decoder = (Layer.packed(self.arrays, part) for part in ("encoder", "decoder"))
        self._dense = Dense(self.arrays["dense.weight"], self.arrays["dense.bias"])

    def _rebuild(self, x: NDArray[np.float32]) -> Floats:
        return decode_backwards(self._encoder, self._decoder, self._dense, x, self.scored_points).astype(float)

    def _measured(self, batch: WindowBatch) -> tuple[ScaledWindows, Floats, Floats, Floats]:
        """Return (scaled, vectors with missing components at their mean, weight of each vector, rebuilt)."""
        scaled = ScaledWindows.of(self.scaler, batch)
        errors, valid, rebuilt = self._errors(scaled)
        there = self._vectors(valid.astype(float)) > 0
        vectors = np.where(there, self._vectors(errors), self.gaussian.mean)
        counts = there.any(axis=2).astype(float)
        return scaled, vectors, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), rebuilt

    def _score(self, batch: WindowBatch) -> Floats:
        scaled, vectors, weight, _ = self._measured(batch)
        return np.where(scaled.scored, (self.gaussian.squared(vectors) * weight).sum(axis=1), np.nan)

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the newest value with the lowest score, all else and the rebuilt window unchanged.

        That is the rebuilt value, moved by the correlation of its error with the others. The band solves the quadratic
        score = limit; if no value brings the score below the limit, the band is as wide as if the other errors were
        usual.
        """
        scaled, vectors, weight, rebuilt = self._measured(batch)
        features = len(self.spec.features)
        pull, score = self.gaussian.pulled(vectors), (self.gaussian.squared(vectors) * weight).sum(axis=1)
        first = weight[:, :1]  # the newest point is in the first vector, its features first
        curve = self.gaussian.precision_diagonal[:features] * np.where(first > 0, first, 1.0)
        slope = pull[:, 0, :features] * first
        change = -slope / curve  # of the newest error, to the lowest score
        lowest = score[:, None] - slope**2 / curve
        half = np.sqrt(np.where(limit[:, None] > lowest, limit[:, None] - lowest, limit[:, None]) / curve)
        middle = rebuilt[:, 0] + vectors[:, 0, :features] + change
        expected, lower, upper = ((middle + way * half) * scaled.scale + scaled.centre for way in (0.0, -1.0, 1.0))
        parts = np.maximum((vectors - self.gaussian.mean) * pull * weight[:, :, None], 0.0)
        parts = parts.reshape(len(batch), -1, features).sum(axis=1)
        total = parts.sum(axis=1, keepdims=True)
        share = np.where(total > 0, parts / np.where(total > 0, total, 1), 1 / features)
        return Explanation(expected, lower, upper, share)

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint:
        """Return the point of the value that would lower the score most if it were another, all others unchanged.

        The band is that of :meth:`explain`, for that point.
        """
        scaled, vectors, weight, rebuilt = self._measured(batch)
        n, features = len(batch), len(self.spec.features)
        score = (self.gaussian.squared(vectors) * weight).sum(axis=1)[:, None, None]
        counts = np.where(weight > 0, weight, 1.0)[:, :, None]
        slope, curve = self.gaussian.pulled(vectors) * weight[:, :, None], self.gaussian.precision_diagonal * counts
        gain = slope**2 / curve
        most = limit[:, None, None]
        half = np.sqrt(np.where(most > score - gain, most - score + gain, most) / curve)
        shape = (n, -1, features)
        size, change, half, errors = (part.reshape(shape) for part in (gain, -slope / curve, half, vectors))
        scale = scaled.scale[:, None]
        middle = (rebuilt + errors + change) * scale + scaled.centre[:, None]
        return farthest_of(batch, size, middle, half * scale)

    def unusual(self, batch: WindowBatch) -> list[str]:
        _, vectors, weight, _ = self._measured(batch)
        parts = self.gaussian.pulled(vectors) ** 2 * weight[:, :, None]
        return course_unlike_training(parts.reshape(len(batch), -1, len(self.spec.features)), self.spec.window)

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, params = super().to_state()
        size = len(self.gaussian.mean)
        packed = self.gaussian.root[np.tril_indices(size)].astype(np.float32)
        return {**arrays, "error.mean": self.gaussian.mean.astype(np.float32), "error.root": packed}, params

    @classmethod
    def from_state(cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> EncDecAD:
        scaler, chosen = cls._restored(spec, arrays, params)
        size = len(spec.features) * ((chosen.judged or spec.window) if chosen.errors == "window" else 1)
        wanted = {"error.mean": Array((size,)), "error.root": Array((size * (size + 1) // 2,))}
        found = read_arrays(cls.kind, arrays, wanted)
        root = np.zeros((size, size))
        root[np.tril_indices(size)] = found["error.root"]
        return cls(spec, arrays, scaler, chosen, ErrorGaussian(found["error.mean"], root))


def _in_float32(gaussian: ErrorGaussian) -> ErrorGaussian:
    """Round to float32 as the artifact does, so that a model scores alike before and after it is saved."""
    mean, root = (array.astype(np.float32).astype(float) for array in (gaussian.mean, gaussian.root))
    return ErrorGaussian(mean, root)


def _check_errors(chosen: EncDecParameters) -> None:
    if chosen.errors not in _KINDS or not chosen.hidden:
        raise SettingsError(
            f"lstm-encdec: errors={chosen.errors!r}, hidden={chosen.hidden}; expected errors of window or point, "
            "and at least 1 unit"
        )
