"""Parse a threshold: ``--threshold NAME`` and ``--threshold-param NAME=VALUE``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eddy.errors import SettingsError
from eddy.settings import DetectorSettings

if TYPE_CHECKING:
    from eddy.training.evaluation.runs.entrant import Entrant
    from eddy.training.fitting.fit import ThresholdRule

FALSE_ALARMS = "false alarms that each series may raise a week [detector.false_alarms_per_week; else 1]"
SENSITIVITY = typer.Option(None, "--false-alarms-per-week", help=FALSE_ALARMS)
NAMED = typer.Option(
    "",
    "--threshold",
    help="{thresholds} (f-beta: 'eddy train' only): flag every row above it [calibration by the past and one alert per "
    "event; docs/thresholds.md]",
)
PARAMETERS = typer.Option(
    [], "--threshold-param", metavar="NAME=VALUE", help="any parameter of the threshold; repeatable"
)


@dataclass(frozen=True)
class ThresholdOptions:
    """Hold the threshold of a model to train, and the labels that it may be chosen by."""

    threshold: Annotated[
        str,
        typer.Option(
            "--threshold",
            help="{thresholds} [rate: a promised number of false alarms; docs/thresholds.md]",
        ),
    ] = ""
    threshold_param: Annotated[
        list[str],
        typer.Option("--threshold-param", metavar="NAME=VALUE", help="any parameter of the threshold; repeatable"),
    ] = field(default_factory=list)
    false_alarms_per_week: Annotated[float | None, typer.Option("--false-alarms-per-week", help=FALSE_ALARMS)] = None
    false_rate: Annotated[
        float | None, typer.Option("--false-rate", help="tail: normal points above the limit, as a share [0.0001]")
    ] = None
    percentile: Annotated[float | None, typer.Option("--percentile", help="of the percentile rule [99]")] = None
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="known anomalies (NAB's JSON, a producer's, or CSV series,start,end): left out of training",
        ),
    ] = None
    beta: Annotated[
        float | None, typer.Option("--beta", help="f-beta: below 1 precision counts more, above recall [0.5]")
    ] = None

    def promised(self, configured: float | None) -> float | None:
        """Return the false alarms promised to each series a week, as given or configured, if they are.

        Raises:
            SettingsError: not above 0, or beside another threshold than ``rate``.
        """
        return promised_rate(self.false_alarms_per_week, self.threshold, configured)

    def rule(self, contamination: float) -> ThresholdRule | None:
        """Return the threshold asked for, see :func:`threshold_rule`."""
        flags = {"percentile": ("q", self.percentile), "f-beta": ("beta", self.beta)}
        return threshold_rule(self.threshold, self.threshold_param, contamination, flags, self.false_rate)


def items(option: str, given: Sequence[str]) -> dict[str, Any]:
    """Parse ``NAME=VALUE`` texts into parameters; values that are JSON are read as such.

    Raises:
        SettingsError: a text without ``=``.
    """
    params: dict[str, Any] = {}
    for item in given:
        key, equals, text = item.partition("=")
        if not equals:
            raise SettingsError(f"{option} {item}: expected NAME=VALUE")
        try:
            params[key] = json.loads(text)
        except ValueError:
            params[key] = text
    return params


def threshold_rule(
    name: str,
    given: Sequence[str],
    contamination: float,
    flags: Mapping[str, tuple[str, float | None]] | None = None,
    false_rate: float | None = None,
) -> ThresholdRule | None:
    """Return the threshold that the options ask for; None if the detector may choose.

    Args:
        name: of the threshold; empty: ``tail``, if anything else was given.
        given: texts of ``--threshold-param``.
        contamination: share that the rule of that name takes unless it is given.
        flags: rule -> (its parameter, value of an option of its own).
        false_rate: of ``tail``.

    Raises:
        SettingsError: an option that does not go with the threshold.
    """
    from eddy.training.fitting.fit import FALSE_RATE, ThresholdRule

    params = items("--threshold-param", given)
    if not name and false_rate is None and not params:
        return None
    name = name or "tail"
    if name == "tail" and "false_rate" in params and false_rate is None:
        false_rate = params.pop("false_rate")
    if false_rate is not None and name != "tail":
        raise SettingsError(f"--false-rate goes with --threshold tail, not with {name}")
    for rule, (parameter, value) in (flags or {}).items():
        if value is None:
            continue
        if rule != name:
            raise SettingsError(f"--{'percentile' if parameter == 'q' else parameter} goes with --threshold {rule}")
        params.setdefault(parameter, value)
    if name == "contamination":
        params.setdefault("contamination", contamination)
    return ThresholdRule(name, FALSE_RATE if false_rate is None else false_rate, params)


def promised_rate(given: float | None, threshold: str, configured: float | None) -> float | None:
    """Return false alarms per series and week, as given or configured; see :meth:`ThresholdOptions.promised`."""
    if given is None:
        return configured
    if threshold not in ("", "rate"):
        raise SettingsError(f"--false-alarms-per-week goes with --threshold rate, not with {threshold}")
    if not (given > 0 and math.isfinite(given)):
        raise SettingsError(f"--false-alarms-per-week {given:g}: expected a number above 0")
    return given


def with_thresholds(
    entrants: Sequence[Entrant], name: str, given: Sequence[str], false_alarms_per_week: float | None = None
) -> list[Entrant]:
    """Return each entrant with the threshold asked for; unchanged if none is.

    With ``false_alarms_per_week`` alone, a detector with a limit of its own keeps it, bounded by that rate; every other
    one gets the threshold ``rate``.
    """
    from eddy.training.evaluation.runs.named_threshold import with_rate, with_threshold

    if false_alarms_per_week is not None and not name:
        promised_rate(false_alarms_per_week, name, None)
        own = items("--threshold-param", given)
        return [with_rate(entrant, false_alarms_per_week, own) for entrant in entrants]
    rule = threshold_rule(name, given, DetectorSettings().contamination)
    if rule is not None and false_alarms_per_week is not None:
        rate = promised_rate(false_alarms_per_week, name, 1.0)
        rule = replace(rule, params={"alarms_per_week": rate, **rule.params})
    return [with_threshold(entrant, rule) for entrant in entrants] if rule else list(entrants)
