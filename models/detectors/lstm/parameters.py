"""Define and check the parameters of the LSTM autoencoder, and derive the sizes of its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eddy.errors import SettingsError
from eddy.models.core.detector import WindowSpec


@dataclass(frozen=True)
class LstmParameters:
    """Set the parameters of the LSTM autoencoder; everything has a default.

    Attributes:
        hidden: units of encoder and decoder.
        judged: newest points whose errors make the score.
        hidden_points: newest points that the encoder does not see (at most window - 2), so that it cannot copy an
            anomaly there to the output. 0 gives the plain autoencoder.
        rebuilt: newest points the decoder rebuilds in training; 0 = the whole window (slower, not better: measured).
        embedding: inputs learned per series seen in training; 0 turns them off.
        season: whether the decoder gets the time of day and the weekday, if the data can teach them.
        epochs, patience, batch, learning_rate: of training; it stops after ``patience`` epochs without improvement.
        windows_per_epoch: largest number of windows per epoch, drawn anew each time.
        corrupted: share of training windows whose input is disturbed.
        validation_share: last part of each series that is held out.
        seconds: stop training after this time (0 = never; then seeds reproduce the model).
        clip: scaled encoder input is cut here, in scales.
        smooth: newest windows whose scores are averaged; 1 = none. Finds lasting changes (a holiday, a drift) instead
            of single points, later, and needs as many numbers of state per series.
    """

    hidden: int = 32
    judged: int = 4
    hidden_points: int = 4
    rebuilt: int = 12
    embedding: int = 8
    season: bool = True
    epochs: int = 12
    patience: int = 4
    batch: int = 128
    learning_rate: float = 1e-2
    windows_per_epoch: int = 8_000
    corrupted: float = 0.3
    validation_share: float = 0.25
    seconds: float = 0.0
    clip: float = 6.0
    smooth: int = 1


def architecture(chosen: LstmParameters, spec: WindowSpec, series: int) -> Any:
    """Return the sizes of the network for this many series.

    Raises:
        SettingsError: a parameter is out of range; names it, what was found and what is expected.
    """
    from eddy.models.detectors.lstm.training import Architecture  # noqa: PLC0415

    if not 1 <= chosen.judged <= spec.window or not chosen.hidden_points <= spec.window - 2:
        raise SettingsError(
            f"lstm-autoencoder: judged={chosen.judged}, hidden_points={chosen.hidden_points}; expected 1 <= judged <= "
            f"window and hidden_points <= window - 2, with window={spec.window}"
        )
    for name in ("hidden", "epochs", "patience", "batch", "windows_per_epoch", "learning_rate", "clip", "smooth"):
        if not getattr(chosen, name):
            raise SettingsError(f"lstm-autoencoder: parameter {name!r}: found 0, expected more")
    rebuilt = min(chosen.rebuilt or spec.window, spec.window)
    return Architecture(
        window=spec.window, features=len(spec.features), series=series, phase=0, hidden=chosen.hidden,
        hidden_points=chosen.hidden_points, rebuilt=max(rebuilt, chosen.judged), judged=chosen.judged,
        embedding=chosen.embedding, epochs=chosen.epochs, patience=chosen.patience, batch=chosen.batch,
        windows_per_epoch=chosen.windows_per_epoch, learning_rate=chosen.learning_rate, corrupted=chosen.corrupted,
        seconds=chosen.seconds, clip=chosen.clip,
    )  # fmt: skip
