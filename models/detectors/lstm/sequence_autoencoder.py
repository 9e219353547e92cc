"""Share what the classic LSTM autoencoders have in common: splitting, scaling and storing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddy.errors import SettingsError
from eddy.models.core.arrays import Array, read_arrays, read_names
from eddy.models.core.detector import (
    Bools,
    Detector,
    FitReport,
    Floats,
    Ints,
    Progress,
    Series,
    WindowSpec,
    no_progress,
)
from eddy.models.core.parameters import read_parameters
from eddy.models.preprocessing.fit_windows import FitWindows
from eddy.models.preprocessing.scaled_windows import ScaledWindows, fill_forward
from eddy.models.preprocessing.scaler import SeriesScaler

_MIN_WINDOWS = 100  # windows that each half of the held-out part needs; with fewer, both halves are the whole part


@dataclass(frozen=True)
class SequenceParameters:
    """Set the parameters that all of them share; everything has a default.

    Attributes:
        judged: newest points whose errors make the score; 0 = the whole window.
        step: points from one training window to the next (1: all windows; the window: none overlap).
        epochs, patience, batch, learning_rate: of training; it stops after ``patience`` epochs without improvement.
        windows_per_epoch: largest number of windows per epoch, drawn anew each time.
        validation_share: last part of each series that is held out.
        seconds: stop training after this time (0 = never; then seeds reproduce the model).
        clip: scaled input is cut here, in scales.
    """

    judged: int = 0
    step: int = 1
    epochs: int = 20
    patience: int = 5
    batch: int = 64
    learning_rate: float = 1e-2
    windows_per_epoch: int = 4_000
    validation_share: float = 0.25
    seconds: float = 0.0
    clip: float = 6.0


class SequenceAutoencoder(Detector):
    """Base of autoencoders that rebuild a window they have seen.

    Held-out windows share no point with those trained on, where enough are left. Their first half decides when
    training stops (and whatever a subclass learns from errors), the second gives the validation scores.

    Args:
        spec: the windows.
        arrays: weights by name, in torch's layout.
        scaler: fitted on the training data.
        chosen: the parameters.
    """

    parameters: ClassVar[type[SequenceParameters]]

    def __init__(
        self, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], scaler: SeriesScaler, chosen: SequenceParameters
    ) -> None:
        super().__init__(spec)
        self.scaler, self.chosen = scaler, chosen
        self.scored_points = chosen.judged or spec.window
        wanted = {name: Array(shape, dtype=np.float32) for name, shape in self._shapes().items()}
        self.arrays = read_arrays(self.kind, arrays, wanted)
        self._pack()

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        spec: WindowSpec,
        params: Mapping[str, Any],
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> tuple[SequenceAutoencoder, FitReport]:
        from eddy.models.detectors.lstm.sequence_training import SequenceSet  # noqa: PLC0415  torch is loaded to train, never to score

        chosen = read_parameters(cls.parameters, cls.kind, params)
        _check(cls.kind, chosen, spec)
        windows = FitWindows.cut(series, spec, chosen.validation_share)
        notes = list(windows.notes)
        scaler = SeriesScaler.fit(windows.segments)
        learnt, tuned, scored, note = _split(windows, chosen.step)
        notes += [note] if note else []
        rows = np.flatnonzero(learnt | tuned)
        data = SequenceSet(
            np.clip(_scaled_points(windows, scaler), -chosen.clip, chosen.clip),
            ~np.isnan(windows.values) & ~windows.imputed[:, None],
            windows.starts[rows],
            spec.window,
            ~learnt[rows],
        )
        arrays, history = cls._train(data, chosen, seed, progress)
        detector = cls._with_errors(spec, arrays, scaler, chosen, windows, np.flatnonzero(tuned), notes)
        held_out = np.flatnonzero(scored)
        binding = np.arange(len(windows.names))
        scores = np.concatenate([detector.score(batch) for _, batch in windows.batches(held_out, binding)])
        return detector, FitReport(windows.by_series(held_out, scores), history, notes)

    @classmethod
    @abstractmethod
    def _train(cls, data: Any, chosen: Any, seed: int, progress: Progress) -> Any:
        """Return (weights by name, losses per epoch)."""

    @classmethod
    def _with_errors(
        cls, spec: WindowSpec, arrays: Any, scaler: SeriesScaler, chosen: Any, windows: FitWindows, rows: Ints,
        notes: list[str],
    ) -> SequenceAutoencoder:  # fmt: skip
        """Return the detector after fitting to errors on the held-out windows ``rows``; may add notes."""
        return cls(spec, arrays, scaler, chosen)

    @abstractmethod
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight array."""

    @abstractmethod
    def _pack(self) -> None:
        """Convert :attr:`arrays` into the kernel's layout."""

    @abstractmethod
    def _rebuild(self, x: NDArray[np.float32]) -> Floats:
        """Rebuild the newest points: (n, scored, F), **newest first**, from (n, W, F) scaled and cut."""

    def bind(self, series: Sequence[str]) -> Ints:
        return self.scaler.bind(series)

    def _errors(self, scaled: ScaledWindows) -> tuple[Floats, Bools, Floats]:
        """Return (errors, valid, rebuilt), all (n, scored, F), newest first, scaled; an error is 0 if not valid."""
        clip = self.chosen.clip
        rebuilt = self._rebuild(np.clip(scaled.x, -clip, clip).astype(np.float32))
        newest = slice(None, -self.scored_points - 1, -1)
        valid = scaled.valid[:, newest] & scaled.scored[:, None, None]
        return np.where(valid, scaled.x[:, newest] - rebuilt, 0.0), valid, rebuilt

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays: dict[str, NDArray[Any]] = dict(self.arrays)
        arrays |= {"scaler.centre": self.scaler.centre, "scaler.spread": self.scaler.spread}
        return arrays, {"series": self.scaler.names, "chosen": dict(vars(self.chosen))}

    @classmethod
    def _restored(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> tuple[SeriesScaler, Any]:
        """Return (scaler, parameters) of an artifact."""
        chosen = read_parameters(cls.parameters, cls.kind, params["chosen"])
        _check(cls.kind, chosen, spec)
        names = read_names(cls.kind, params)
        shape = (len(names), len(spec.features))
        tables = read_arrays(
            cls.kind, arrays, {"scaler.centre": Array(shape), "scaler.spread": Array(shape, above=0.0)}
        )
        return SeriesScaler(names, tables["scaler.centre"], tables["scaler.spread"]), chosen

    @classmethod
    def from_state(
        cls, spec: WindowSpec, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]
    ) -> SequenceAutoencoder:
        return cls(spec, arrays, *cls._restored(spec, arrays, params))


def _check(kind: str, chosen: SequenceParameters, spec: WindowSpec) -> None:
    for name in ("step", "epochs", "patience", "batch", "windows_per_epoch", "learning_rate", "clip"):
        if not getattr(chosen, name):
            raise SettingsError(f"{kind}: parameter {name!r}: found 0, expected more")
    if chosen.judged > spec.window:
        raise SettingsError(f"{kind}: judged={chosen.judged}; expected at most the window, {spec.window}")


def _split(windows: FitWindows, step: int) -> tuple[Bools, Bools, Bools, str]:
    """Split the windows; return (trained on, decides about training, gives scores, note): (N,) masks."""
    used, clear = np.zeros(len(windows.starts), bool), windows.validation.copy()
    for index in range(len(windows.names)):
        own = np.flatnonzero(windows.series == index)
        used[own[(windows.starts[own] - windows.starts[own[0]]) % step == 0]] = True
        learnt = own[~windows.validation[own]]
        if len(learnt):
            clear[own[windows.starts[own] <= windows.newest[learnt].max()]] = False
    held_out = windows.validation & used
    note = ""
    if (clear & used).sum() >= _MIN_WINDOWS:
        held_out = clear & used
    else:
        note = "too few held-out windows are clear of the training windows: those that overlap them count too"
    rows = np.flatnonzero(held_out)
    if len(rows) < 2 * _MIN_WINDOWS:
        return ~windows.validation & used, held_out, held_out, note
    later = np.zeros(len(used), bool)
    for index in range(len(windows.names)):
        own = rows[windows.series[rows] == index]
        later[own[len(own) // 2 :]] = True
    return ~windows.validation & used, held_out & ~later, held_out & later, note


def _scaled_points(windows: FitWindows, scaler: SeriesScaler) -> Floats:
    """Return (T, F) all points scaled, gaps filled with the value before."""
    pieces = []
    for segment in windows.segments:
        centre, spread = scaler.moments(segment.values[None], scaler.bind([segment.name]))
        x = (segment.values - centre) / spread
        pieces.append(fill_forward(x[None], ~np.isnan(x)[None])[0])
    return np.concatenate(pieces)
