"""Decide which messages are for Eddy: the ``where`` of an input source, which asks for values of fields.

All fields have to match. Of the values that are given for a field, all that begin with ``!`` have to hold, and of the
others, if there are any, one:

- a text matches a text, a whole number of 64 bits (its digits), true and false, where they are equal; ``*`` in it
  stands for any characters, also none. Nothing else in it is special;
- a text after ``!`` holds where that text does not match: also for null, other values, and a field that is not there;
- a number matches a number that is equal, true and false match themselves.

A field that is not there matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eddy.input_settings import Scalar
from eddy.inputs.paths import MISSING, Path, parse
from eddy.inputs.template import Find, text_of


class Conditions:
    """Hold the conditions of a source.

    Args:
        where: accepted values by path.

    Raises:
        ValueError: something is no path.

    Examples:
        >>> conditions = Conditions({"op": ("c", "u"), "site": ("!test-*",)})
        >>> [conditions.hold(path.find) for path in ()]
        []
        >>> message = {"op": "c", "site": "north"}
        >>> conditions.hold(lambda path: path.find(message)), conditions.hold(lambda path: path.find({"op": "d"}))
        (True, False)
    """

    def __init__(self, where: Mapping[str, Sequence[Scalar]]) -> None:
        self._fields = tuple((parse(path), _Wanted(values)) for path, values in where.items())
        self.paths: tuple[Path, ...] = tuple(path for path, _ in self._fields)

    def hold(self, find: Find) -> bool:
        """Return whether a message matches; ``find`` gives MISSING for a field that is not there."""
        return all(wanted.fits(find(path)) for path, wanted in self._fields)


class _Wanted:
    def __init__(self, values: Sequence[Scalar]) -> None:
        texts = [value for value in values if isinstance(value, str)]
        self._included = [pattern(text) for text in texts if not text.startswith("!")]
        self._excluded = [pattern(text[1:]) for text in texts if text.startswith("!")]
        self._plain = [value for value in values if not isinstance(value, str)]

    def fits(self, found: Any) -> bool:
        text = None if found is MISSING else text_of(found)
        if text is not None and any(pattern.fullmatch(text) for pattern in self._excluded):
            return False
        if not self._included and not self._plain:
            return True
        if text is not None and any(pattern.fullmatch(text) for pattern in self._included):
            return True
        return any(equal(value, found) for value in self._plain)


def equal(wanted: Scalar, found: Any) -> bool:
    """Return whether a value is the number, true or false that is wanted."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    return isinstance(found, int | float) and found == wanted


def pattern(text: str) -> re.Pattern[str]:
    """Return what matches a whole text: ``*`` stands for any characters."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
