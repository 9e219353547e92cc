"""Provide the base class of every settings group."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict


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
