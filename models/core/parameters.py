"""A detector's parameters: a frozen dataclass with defaults, filled from plain values, described for help texts."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from eddy.errors import SettingsError

T = TypeVar("T")

_MOST = 2**53  # whole numbers above it are not exact in the kernels' float64

_ATTRIBUTES = re.compile(r"^Attributes:\n((?:[ ]+.*(?:\n|$)|\n)+)", re.MULTILINE)
_DESCRIBED = re.compile(r"^(\w+(?:, \w+)*): ")


@dataclass(frozen=True)
class NoParameters:
    """Nothing can be set."""


@dataclass(frozen=True)
class Described:
    """A parameter as help texts show it.

    Attributes:
        name: of the field.
        default: its default.
        text: what the dataclass's docstring says about it; empty where it says nothing.
    """

    name: str
    default: Any
    text: str


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
            hint = f"did you mean {near[0]!r}?" if near else "it has none"
            raise SettingsError(f"{kind}: parameter {name!r} is unknown; {hint}")
        wanted = type(defaults[name])
        fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
        if not fits or (wanted in (int, float) and isinstance(value, bool)):
            raise SettingsError(f"{kind}: parameter {name!r}: found {value!r}, expected {wanted.__name__}")
        if wanted in (int, float) and (value < 0 or math.isnan(value) or value == math.inf):
            raise SettingsError(f"{kind}: parameter {name!r}: found {value!r}, expected a number of 0 or more")
        if wanted in (int, float) and isinstance(value, int) and value > _MOST:
            raise SettingsError(f"{kind}: parameter {name!r}: found a number above {_MOST}, expected a smaller one")
        values[name] = wanted(value)
    return cls(**values)


def described(cls: type[Any]) -> tuple[Described, ...]:
    """List the parameters of a dataclass in the order of its fields, with the texts of its docstring.

    Examples:
        >>> from eddy.models.detectors.history.base import RingParameters
        >>> [one.name for one in described(RingParameters)]
        ['period', 'reach', 'past']
    """
    texts: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        texts |= _texts(inspect.cleandoc(one.__doc__ or ""))
    return tuple(Described(f.name, f.default, texts.get(f.name, "")) for f in fields(cls))


def _texts(docstring: str) -> dict[str, str]:
    """Name to text of a docstring's ``Attributes``; several names may share one entry."""
    found: dict[str, str] = {}
    section = _ATTRIBUTES.search(docstring)
    if section is None:
        return found
    names: list[str] = []
    for line in inspect.cleandoc("\n" + section[1]).splitlines():
        if (head := _DESCRIBED.match(line)) is not None:
            names, line = head[1].split(", "), line[head.end() :]  # noqa: PLW2901
        for name in names:
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found
