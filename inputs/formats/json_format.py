"""Read JSON: an object, or an array of objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from eddy.inputs import json_message
from eddy.inputs.formats.base import MessageFormat, only
from eddy.inputs.record import Record


class JsonMessages(MessageFormat):
    """Read the JSON of a value."""

    name: ClassVar[str] = "json"

    def messages(self, record: Record) -> Iterable[Any]:
        """Return the object, or the elements of the array."""
        return only(json_message.parse(record.value or b""))
