"""Read a detector's parameters from plain values into a frozen dataclass with defaults."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from eddy.errors import SettingsError

T = TypeVar("T")


def read_parameters(cls: type[T], kind: str, params: Mapping[str, Any]) -> T:
    """Return ``cls(**params)`` after checking each number against the type of its default.

    Raises:
        SettingsError: an unknown name (the nearest known one is named) or a value of the wrong type.
    """
    defaults: dict[str, Any] = {f.name: f.default for f in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in params.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, 1) or sorted(defaults)
            raise SettingsError(f"{kind}: parameter {name!r} is unknown; did you mean {near[0]!r}?")
        wanted = type(defaults[name])
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (wanted in (int, float) and isinstance(value, bool)):
            raise SettingsError(f"{kind}: parameter {name!r}: found {value!r}, expected {wanted.__name__}")
        if wanted in (int, float) and value < 0:
            raise SettingsError(f"{kind}: parameter {name!r}: found {value!r}, expected 0 or more")
        values[name] = wanted(value)
    return cls(**values)
