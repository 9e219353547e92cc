"""The fields of one JSON message, checked as they are taken: what manifests and training requests are read with."""

from __future__ import annotations

import json
from typing import Any

from eddy.errors import EddyError


def json_object(value: bytes, what: str, error: type[EddyError]) -> dict[str, Any]:
    """The JSON object that a message is.

    Args:
        value: the message.
        what: names it in errors.
        error: type of the errors.

    Raises:
        EddyError: it is not JSON, or no object.
    """
    try:
        raw = json.loads(value)
    except (ValueError, RecursionError) as problem:
        raise error(f"{what}: not JSON: {problem}") from None
    if not isinstance(raw, dict):
        raise error(f"{what}: expected a JSON object, found {type(raw).__name__}")
    return raw


class MessageFields:
    """A message whose fields are taken one by one; unknown ones are ignored.

    Args:
        value: the message.
        what: names it in errors.
        schema: the version that can be read.
        reader: who reads it, and is too old for a later schema.
        error: type of the errors: each names the field, what was found and what was expected.

    Raises (all methods):
        EddyError: the field is not as expected.
    """

    def __init__(self, value: bytes, what: str, schema: int, reader: str, error: type[EddyError]) -> None:
        self._what, self._error = what, error
        self.raw = json_object(value, what, error)
        if (found := self.raw.get("schema")) != schema:
            raise error(f"{what}: schema {found!r}; this version reads {schema}: upgrade the {reader} first")

    def wrong(self, key: str, expected: str) -> EddyError:
        """The error that says what a field should have been."""
        found = str(self.raw.get(key))[:80]
        return self._error(f"{self._what}: field {key!r}: found {found!r}, expected {expected}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it has to be there."""
        value = self.raw.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "text")
        return value

    def texts(self, key: str, fewest: int = 0) -> tuple[str, ...]:
        """A list of texts, empty if it is not there; at least so many."""
        value = self.raw.get(key, [])
        if not isinstance(value, list) or len(value) < fewest or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of at least one text" if fewest else "a list of texts")
        return tuple(value)

    def whole(self, key: str, least: int | None = None, default: int | None = None) -> int:
        """A whole number; without a default it has to be there."""
        value = self.raw.get(key, default)
        if type(value) is not int or (least is not None and value < least):
            raise self.wrong(key, "a whole number" if least is None else f"a whole number of at least {least}")
        return value

    def table(self, key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """An object; without a default it has to be there."""
        value = self.raw.get(key, default)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return value
