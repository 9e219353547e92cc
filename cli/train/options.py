"""Define the options of ``eddy train`` that belong together: windows, part of the data, detector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eddy.cli.train.threshold_options import items
from eddy.errors import SettingsError

if TYPE_CHECKING:
    from eddy.models.core.detector import WindowSpec
    from eddy.training.data.datasets import Dataset

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_OWN_FLAGS = {
    "lstm-autoencoder": ("epochs", "hidden"),
    "lstm-encdec": ("epochs", "hidden"),
    "lstm-repeat-vector": ("epochs",),
}


@dataclass(frozen=True)
class WindowOptions:
    """Hold how series are cut into windows."""

    interval: Annotated[
        str, typer.Option("--interval", help="sampling interval such as 30m [found in the data]; 0 = none")
    ] = ""
    window: Annotated[
        int, typer.Option("--window", min=0, help="points [lstm: a day; forest: detector.window_size]")
    ] = 0
    stride: Annotated[int, typer.Option("--stride", min=1, help="a window is scored every so many points")] = 1
    gaps: Annotated[str, typer.Option("--gaps", help="hold, linear or break")] = "hold"

    def interval_ms(self, found: Dataset) -> int:
        """Return the sampling interval, as given or found in the data."""
        return parse_interval(self.interval) if self.interval else found.interval_ms()

    def spec(self, points: int, features: Sequence[str], interval_ms: int) -> WindowSpec:
        """Return the shape of windows of so many points.

        Raises:
            SettingsError: ``--gaps`` is not one of its values.
        """
        from eddy.models.core.detector import WindowSpec

        if self.gaps not in ("hold", "linear", "break"):
            raise SettingsError(f"--gaps {self.gaps}: expected hold, linear or break")
        return WindowSpec(points, self.stride, tuple(features), interval_ms, self.gaps)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrainingPart:
    """Hold which part of the data is trained on."""

    train_until: Annotated[str, typer.Option("--train-until", help="use only points before this time (ISO-8601)")] = ""
    train_share: Annotated[
        float, typer.Option("--train-share", min=0.01, max=1, help="use the first share of each series")
    ] = 1.0


@dataclass(frozen=True)
class DetectorOptions:
    """Hold the parameters of the detector."""

    epochs: Annotated[int, typer.Option("--epochs", min=0, help="max epochs (lstm)")] = 0
    hidden: Annotated[int, typer.Option("--hidden", min=0, help="hidden units (lstm)")] = 0
    param: Annotated[list[str], typer.Option("--param", metavar="NAME=VALUE", help="any parameter of the detector")] = (
        field(default_factory=list)
    )

    def parameters(self, detector: str) -> dict[str, Any]:
        """Collect the parameters from ``NAME=VALUE`` items and from the options that some detectors have.

        Raises:
            SettingsError: the detector has no such parameter, or an item cannot be read.
        """
        params = items("--param", self.param)
        for flag, number in (("epochs", self.epochs), ("hidden", self.hidden)):
            if not number:
                continue
            if flag not in _OWN_FLAGS.get(detector, ()):
                raise SettingsError(f"--{flag}: {detector} has no such parameter")
            params[flag] = number
        return params


def parse_interval(text: str) -> int:
    """Parse ``30m``, ``10s``, ``1h``, ``1d`` or ``500ms`` into milliseconds; 0 means that points are not clocked.

    Raises:
        SettingsError: anything else.
    """
    match = re.fullmatch(r"(\d+)\s*(ms|s|m|min|h|d)?", text.strip())
    if not match or (match[2] is None and int(match[1]) != 0):
        raise SettingsError(f"--interval {text}: expected a number and a unit (ms, s, m, h, d), such as 30m, or 0")
    return int(match[1]) * _UNITS_MS[match[2] or "ms"]
