"""Parse the members of an ensemble: ``--member KIND[,NAME=VALUE …]``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from eddy.errors import SettingsError

ENSEMBLE = "ensemble"
_OF_MEMBER = ("weight", "gate", "window", "name")


@dataclass(frozen=True)
class EnsembleOptions:
    """Hold the members of an ensemble, and whether scores are calibrated."""

    member: Annotated[
        list[str],
        typer.Option(
            "--member",
            metavar="KIND[,NAME=VALUE…]",
            help="of an ensemble, repeatable; weight=, gate=season, window=, and the detector's parameters "
            "[left-discord, same-phase-neighbours]",
        ),
    ] = field(default_factory=list)
    calibrated: Annotated[
        bool,
        typer.Option("--calibrated", help="score = deviate from the series' own past, one alert per event"),
    ] = False


def chosen_detector(
    detector: str,
    params: Mapping[str, Any],
    ensemble: EnsembleOptions,
    usual_window: Callable[[str], int],
) -> tuple[str, dict[str, Any]]:
    """Return (kind, parameters) to fit: the detector itself, the ensemble with its members, or an ensemble of one.

    Args:
        detector, params: as asked for.
        ensemble: members; calibrated: make it an ensemble of one, which calibrates its score by its past and keeps
            one alert per event.
        usual_window: points for a member whose kind has no window of its own.

    Raises:
        SettingsError: members of something that is no ensemble, or one that cannot be read.
    """
    if detector == ENSEMBLE:
        asked = [_member(text, usual_window) for text in ensemble.member]
        return ENSEMBLE, {
            **params,
            **({"members": asked} if asked else {}),
            **({"peaks": True} if ensemble.calibrated else {}),
        }
    if ensemble.member:
        raise SettingsError(f"--member: {detector} has no members; expected --detector {ENSEMBLE}")
    if ensemble.calibrated:
        one = {"kind": detector, "params": dict(params), "window": usual_window(detector)}
        return ENSEMBLE, {"peaks": True, "members": [one]}
    return detector, dict(params)


def _member(text: str, usual_window: Callable[[str], int]) -> dict[str, Any]:
    kind, *items = text.split(",")
    own: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise SettingsError(f"--member {text}: found {item!r}, expected NAME=VALUE")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        (own if name in _OF_MEMBER else params)[name] = read
    return {"kind": kind, "params": params, "window": usual_window(kind), **own}
