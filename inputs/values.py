"""Read the values of an observation: those that the source names, or every number that is there.

Named values: null is a missing value (NaN). A field that is not there is, by ``missing``,

- ``null``: a missing value, as long as at least one of the named fields is there. Else the element is refused
  (``no-field``), since a wrong path would go unseen;
- ``skip``: left out together with the whole element; with ``split`` it alone is left out;
- ``error``: a reason to refuse the element (``no-field``).

``*``: every number of the element's own object, also in objects inside it, but not in arrays. A feature's name is the
path (``data.t``). Fields of ``time``, ``series`` and ``where`` are no values. Other fields are passed over, with
``numbers: text`` those texts that are no numbers. Without any number the element is refused (``no-field``), or left out
with ``missing: skip``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Set
from typing import Any

from eddy.formats import MAX_FEATURES, BadObservation, check_values, shown
from eddy.input_settings import InputSource
from eddy.inputs.number_values import number, text_number
from eddy.inputs.paths import MISSING, Path, Step, parse, spelled
from eddy.inputs.template import Find

Steps = tuple[Step, ...]


class Values:
    """Read the values of elements.

    Args:
        source: of the settings.
        others: steps of the paths that name other things than values.

    Raises:
        ValueError: something is no path.
    """

    def __init__(self, source: InputSource, others: Set[Steps]) -> None:
        self._texts = source.numbers == "text"
        self._missing = source.missing
        self._alone = source.split
        self._others = others
        self._named: tuple[tuple[str, Path], ...] | None = None
        if source.values != "*":
            self._named = tuple((name, _parsed(name, path)) for name, path in source.values.items())

    def read(self, find: Find, there: Callable[[Path, str], Any], own: Any) -> dict[str, float]:
        """Return the values of an element by feature; empty: the element is left out.

        Args:
            find: returns the value of a path, or MISSING.
            there: the same, but raises ``no-field`` in place of MISSING; its second argument is the feature.
            own: the element's object.

        Raises:
            BadObservation: ``no-field``, ``bad-value`` or ``too-many``.
        """
        return self._every(own) if self._named is None else self._by_name(self._named, find, there)

    def _by_name(
        self, named: tuple[tuple[str, Path], ...], find: Find, there: Callable[[Path, str], Any]
    ) -> dict[str, float]:
        found = {name: find(path) for name, path in named}
        present = [name for name, value in found.items() if value is not MISSING]
        if len(present) < len(named):
            if self._missing == "skip" and not self._alone:
                return {}
            if self._missing == "error" or (self._missing == "null" and not present):
                name, path = next(one for one in named if found[one[0]] is MISSING)
                there(path, f"values.{name}")  # raises
        if self._missing == "skip":
            found = {name: found[name] for name in present}
        return {
            name: math.nan if value is MISSING else number(f"values.{name}", value, self._texts)
            for name, value in found.items()
        }

    def _every(self, own: Any) -> dict[str, float]:
        found: dict[str, float] = {}
        for steps, value in leaves(own):
            if steps in self._others or not is_number(value, self._texts):
                continue
            name = spelled(steps)
            found[name] = number(name, value, self._texts)
            if len(found) > MAX_FEATURES:
                raise BadObservation("too-many", f"values: found more numbers, expected at most {MAX_FEATURES}")
        if not found:
            if self._missing == "skip":
                return {}
            raise BadObservation("no-field", f"values: found no number in {shown(own)}, expected at least one")
        return check_values(found)


def is_number(value: Any, texts: bool) -> bool:
    """Return whether ``*`` takes a value."""
    if isinstance(value, str):
        return texts and text_number(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaves(found: Any) -> Iterator[tuple[Steps, Any]]:
    """Yield what stands in an object and in the objects inside it, in order, with its steps; arrays are not entered."""
    stack: list[tuple[Steps, Any]] = [((), found)]
    while stack:
        steps, value = stack.pop()
        if isinstance(value, dict):
            stack += [((*steps, name), inner) for name, inner in reversed(value.items())]
        elif steps:
            yield steps, value


def _parsed(name: str, path: str) -> Path:
    try:
        return parse(path)
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from None
