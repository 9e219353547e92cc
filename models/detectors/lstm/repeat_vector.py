"""Encode a window, repeat the code, decode it, and score by the mean squared error: the plain LSTM autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddy.errors import SettingsError
from eddy.models.core.detector import Explanation, FarthestPoint, Floats, Progress, WindowBatch
from eddy.models.detectors.lstm.course import course_unlike_training, farthest_of
from eddy.models.detectors.lstm.layers import Dense, Layer, repeat_vector
from eddy.models.detectors.lstm.sequence_autoencoder import SequenceAutoencoder, SequenceParameters
from eddy.models.preprocessing.scaled_windows import ScaledWindows

_MAX_LAYERS = 4


@dataclass(frozen=True)
class RepeatVectorParameters(SequenceParameters):
    """Set the parameters of the RepeatVector form, besides those of :class:`.SequenceParameters`.

    Attributes:
        units: of the encoder's layers, outermost first: ``64`` is LSTM(64) → repeat → LSTM(64) → dense, ``128,64`` the
            stacked 128-64-64-128.
    """

    units: str = "64"


class RepeatVectorAutoencoder(SequenceAutoencoder):
    """Score the mean squared error with which LSTM → RepeatVector → LSTM → dense rebuilds a window, one or more layers.

    The error is in squared spreads of the series. Every point of the window is rebuilt from one code in order of time.
    An anomaly shows for as long as it is in the window; ``judged`` shortens that. Missing and filled-in points do not
    count.

    Works for short windows with few shapes: the form that most tutorials have.
    **Fails** where the code is large enough to copy the window, an anomaly included, and where windows are longer than
    the code can hold: then the rebuilt window is too smooth and every busy period looks odd. ``lstm-autoencoder``
    hides the newest points from its encoder and knows the time of day for these reasons. No alert of it is
    ``critical``: it has not been shown to be that sure.

    Parameters: :class:`RepeatVectorParameters`.
    Cost: as ``lstm-autoencoder``, times the layers; no state.

    References:
        Sutskever, Vinyals, Le 2014, Sequence to sequence learning with neural networks; the repeated code is the form
        of Cho et al. 2014, as in the Keras examples that most practitioners start from.

    Examples:
        >>> import numpy as np
        >>> from eddy.models.core.detector import Series, WindowSpec
        >>> values = 10 + np.tile(np.sin(np.arange(24) * np.pi / 12), 20)[:, None]
        >>> values += np.random.default_rng(0).normal(0, 0.05, values.shape)
        >>> ts = np.arange(len(values)) * 3_600_000
        >>> train = Series("pump", ts, values, np.zeros(len(ts), bool))
        >>> detector, _ = RepeatVectorAutoencoder.fit([train], WindowSpec(24), {"units": "8", "epochs": 3, "judged": 2})
        >>> values[400] += 9
        >>> int(np.nanargmax(detector.score_series("pump", ts, values))) in range(400, 402)
        True
    """

    kind = "lstm-repeat-vector"
    parameters: ClassVar[type[SequenceParameters]] = RepeatVectorParameters
    chosen: RepeatVectorParameters

    @classmethod
    def _train(cls, data: Any, chosen: RepeatVectorParameters, seed: int, progress: Progress) -> Any:
        from eddy.models.detectors.lstm.sequence_training import train_repeat_vector  # noqa: PLC0415

        return train_repeat_vector(data, _units(chosen.units), chosen, seed, progress)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        units, features = _units(self.chosen.units), len(self.spec.features)
        shapes: dict[str, tuple[int, ...]] = {}
        for part, sizes in (("encoder", (features, *units)), ("decoder", (units[-1], *reversed(units)))):
            for i, (inputs, hidden) in enumerate(pairwise(sizes)):
                shapes[f"{part}.{i}.input"] = (4 * hidden, inputs)
                shapes[f"{part}.{i}.recurrent"] = (4 * hidden, hidden)
                shapes[f"{part}.{i}.bias"] = (4 * hidden,)
        return {**shapes, "dense.weight": (features, units[0]), "dense.bias": (features,)}

    def _pack(self) -> None:
        layers = range(len(_units(self.chosen.units)))
        self._encoder = [Layer.packed(self.arrays, f"encoder.{i}") for i in layers]
        self._decoder = [Layer.packed(self.arrays, f"decoder.{i}") for i in layers]
        self._dense = Dense(self.arrays["dense.weight"], self.arrays["dense.bias"])

    def _rebuild(self, x: NDArray[np.float32]) -> Floats:
        rebuilt = repeat_vector(self._encoder, self._decoder, self._dense, x)
        return rebuilt[:, : -self.scored_points - 1 : -1].astype(float)

    def _score(self, batch: WindowBatch) -> Floats:
        errors, valid, _ = self._errors(ScaledWindows.of(self.scaler, batch))
        count = valid.sum(axis=(1, 2))
        return np.where(count > 0, (errors**2).sum(axis=(1, 2)) / np.maximum(count, 1), np.nan)

    def _explain(self, batch: WindowBatch, limit: Floats) -> Explanation:
        """Explain by the rebuilt value; in the band, the newest value's error keeps the score within the limit.

        While older points alone exceed the limit, the band is as wide as a single error of that size.
        """
        scaled = ScaledWindows.of(self.scaler, batch)
        errors, valid, rebuilt = self._errors(scaled)
        squares = errors**2
        total, count = squares.sum(axis=(1, 2))[:, None], valid.sum(axis=(1, 2))[:, None]
        room = limit[:, None] * count - (total - squares[:, 0])
        half = np.sqrt(np.maximum(room, limit[:, None])) * scaled.scale
        expected = rebuilt[:, 0] * scaled.scale + scaled.centre
        features = squares.shape[2]
        share = np.where(total > 0, squares.sum(axis=1) / np.where(total > 0, total, 1), 1 / features)
        return Explanation(expected, expected - half, expected + half, share)

    def farthest(self, batch: WindowBatch, limit: Floats) -> FarthestPoint:
        """Return the point of the largest error; the band is where an error alone would keep within the limit."""
        scaled = ScaledWindows.of(self.scaler, batch)
        errors, _, rebuilt = self._errors(scaled)
        scale, centre = scaled.scale[:, None], scaled.centre[:, None]
        reach = np.broadcast_to(np.sqrt(np.maximum(limit, 0.0))[:, None, None] * scale, errors.shape)
        return farthest_of(batch, errors**2, rebuilt * scale + centre, reach)

    def unusual(self, batch: WindowBatch) -> list[str]:
        errors, _, _ = self._errors(ScaledWindows.of(self.scaler, batch))
        return course_unlike_training(errors**2, self.spec.window)


def _units(text: str) -> tuple[int, ...]:
    """Read the sizes of the encoder's layers from ``128,64``.

    Raises:
        SettingsError: the text is not one to four whole numbers above 0.
    """
    try:
        units = tuple(int(one) for one in str(text).split(","))
    except ValueError:
        units = ()
    if not 1 <= len(units) <= _MAX_LAYERS or min(units) < 1:
        raise SettingsError(f"lstm-repeat-vector: parameter 'units': found {text!r}, expected such as 64 or 128,64")
    return units
