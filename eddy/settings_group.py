"""Provide the base class of every settings group."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from eddy.texts import MAX_NAME_BYTES, is_name


class Group(BaseModel):
    """Base of all settings groups: refuse unknown names, check every value, allow no change afterwards.

    Raises:
        pydantic.ValidationError: an unknown name or a value that does not fit. :func:`eddy.configuration.load` turns it
            into a :class:`~eddy.errors.SettingsError` that names the value's source.

    Examples:
        >>> class Example(Group):
        ...     size: int = 3
        >>> Example().size
        3
        >>> Example(sise=4)
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: ...
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def by_feature(value: Any, most: int, expected: str, expected_text: str) -> Any:
    """Accept names of features with a text for each.

    Args:
        value: what was given.
        most: how many there may be.
        expected, expected_text: what the errors say of all of them, and of one text.

    Raises:
        ValueError: it is something else.

    Examples:
        >>> by_feature({"n": 7}, 64, "names with paths", "a path")
        Traceback (most recent call last):
        ...
        ValueError: n: found 7, expected a path
    """
    if not isinstance(value, dict) or not 0 < len(value) <= most:
        what = f"{len(value)} names" if isinstance(value, dict) else repr(value)
        message = f"found {what}, expected {expected}"
        raise ValueError(message)
    for name, text in value.items():
        if not isinstance(name, str) or not is_name(name):
            message = f"found the feature {name!r}, expected a text of 1 to {MAX_NAME_BYTES} bytes"
            raise ValueError(message)
        if not isinstance(text, str):
            message = f"{name}: found {text!r}, expected {expected_text}"
            raise ValueError(message)
    return value


def from_json(value: Any, expected: str) -> Any:
    """Read a value from JSON text, as the environment and the command line give it; what is no text stays as it is.

    Raises:
        ValueError: the text is no JSON; ``expected`` says what it should be.

    Examples:
        >>> from_json("[1, 2]", "a JSON list"), from_json((1, 2), "a JSON list")
        ([1, 2], (1, 2))
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        message = f"expected {expected}: {error}"
        raise ValueError(message) from None
