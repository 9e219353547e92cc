"""Provide the base class of every settings group."""

from __future__ import annotations

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
