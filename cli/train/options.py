"""Define the options of ``eddy train`` that belong together: windows, part of the data, detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eddy.cli.train.threshold_options import items
from eddy.errors import SettingsError

if TYPE_CHECKING:
    from eddy.models.artifacts.manifest import ValueType
    from eddy.models.core.detector import WindowSpec
    from eddy.training.data.datasets import Dataset


@dataclass(frozen=True)
class WindowOptions:
    """Hold how series are cut into windows."""

    interval: Annotated[
        str, typer.Option("--interval", help="sampling interval such as 30m [found in the data]; 0 = none")
    ] = ""
    window: Annotated[int, typer.Option("--window", min=0, help="points [the detector's: mostly a day]")] = 0
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

    param: Annotated[
        list[str],
        typer.Option(
            "--param", metavar="NAME=VALUE", help="any parameter of the detector; also as an option: --NAME VALUE"
        ),
    ] = field(default_factory=list)

    value_type: Annotated[
        str,
        typer.Option(
            "--value-type",
            help="what is scored: gauge, the value; counter, its increase from point to point; auto, the increase of "
            "the series that look like counters [detector.value_type]",
        ),
    ] = ""

    def chosen_type(self, configured: ValueType) -> ValueType:
        """Return what is scored, as given or configured.

        Raises:
            SettingsError: it is no such type.
        """
        from typing import get_args

        from eddy.models.artifacts.manifest import ValueType

        if self.value_type not in ("", *get_args(ValueType)):
            raise SettingsError(f"--value-type {self.value_type}: expected gauge, counter or auto")
        return self.value_type or configured  # type: ignore[return-value]

    def parameters(self) -> dict[str, Any]:
        """Collect the parameters; those given as options of their own are among them (see ``DetectorCommand``).

        Raises:
            SettingsError: an item cannot be read.
        """
        return items("--param", self.param)


def parse_interval(text: str) -> int:
    """Parse ``30m``, ``10s``, ``1h``, ``1d`` or ``500ms`` into milliseconds; 0 means that points are not clocked.

    Raises:
        SettingsError: anything else.
    """
    from eddy.intervals import interval_to_ms

    return interval_to_ms(text, "--interval")
