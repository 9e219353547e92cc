"""Read the description of a detector's windows from an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from eddy.errors import ModelError
from eddy.models.core.detector import GapPolicy, WindowSpec

_MOST = 2**31 - 1  # what the rings of windows count in


def read_spec(raw: Mapping[str, Any]) -> WindowSpec:
    """Return the windows that an artifact describes.

    Raises:
        ModelError: a field is unknown, of another type, or out of its range; names it.
    """
    known = {one.name for one in fields(WindowSpec)}
    if not isinstance(raw, Mapping) or set(raw) - known or not {"window", "features"} <= set(raw):
        found = sorted(raw) if isinstance(raw, Mapping) else type(raw).__name__
        raise ModelError(f"artifact: spec: found {found}, expected an object with {', '.join(sorted(known))}")
    for name, low in (("window", 1), ("stride", 1), ("interval_ms", 0), ("max_gap", 0)):
        found = raw.get(name, low)
        if type(found) is not int or not low <= found <= (2**62 if name == "interval_ms" else _MOST):
            raise ModelError(f"artifact: spec: {name}: found {found!r}, expected a whole number of at least {low}")
    features, policy = raw["features"], raw.get("gap_policy", "hold")
    if not isinstance(features, list | tuple) or not features or not all(isinstance(one, str) for one in features):
        raise ModelError("artifact: spec: features: expected a list of at least one name")
    if len(set(features)) < len(features):
        raise ModelError(f"artifact: spec: features {', '.join(features)}: expected each once")
    if policy not in get_args(GapPolicy):
        raise ModelError(f"artifact: spec: gap_policy {policy!r}: expected one of {', '.join(get_args(GapPolicy))}")
    return WindowSpec(**{**raw, "features": tuple(features)})
