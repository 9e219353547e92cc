"""Parse the members of an ensemble: ``--member KIND[,NAME=VALUE …]``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eddy.errors import SettingsError

ENSEMBLE = "ensemble"
_OF_MEMBER = ("weight", "gate", "window", "name")


def chosen_detector(
    detector: str,
    params: Mapping[str, Any],
    members: Sequence[str],
    calibrated: bool,
    usual_window: Callable[[str], int],
) -> tuple[str, dict[str, Any]]:
    """Return (kind, parameters) to fit: the detector itself, the ensemble with its members, or an ensemble of one.

    Args:
        detector, params: as asked for.
        members: texts of ``--member``.
        calibrated: make it an ensemble of one, which calibrates its score by its past and keeps one alert per event.
        usual_window: points for a member whose kind has no window of its own.

    Raises:
        SettingsError: members of something that is no ensemble, or one that cannot be read.
    """
    if detector == ENSEMBLE:
        asked = [_member(text, usual_window) for text in members]
        return ENSEMBLE, {**params, **({"members": asked} if asked else {}), **({"peaks": True} if calibrated else {})}
    if members:
        raise SettingsError(f"--member: {detector} has no members; expected --detector {ENSEMBLE}")
    if calibrated:
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
