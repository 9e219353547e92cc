"""Parse messages that other programs may write: strictly, with errors that name the field, and with a JSON Schema.

A message is a frozen pydantic dataclass that inherits :class:`Message`. Unknown fields are ignored, types are checked
without conversion, every text is bounded and can be encoded as UTF-8. Messages that the job writes per event (alerts,
scores) are not of this kind: checking each would cost more than scoring it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ArgsKwargs
from typing_extensions import Self  # in 'typing' only since Python 3.11, and the client runs on older ones

from eddy.errors import EddyError

MESSAGE_CONFIG = ConfigDict(extra="ignore", strict=True)
MAX_NAME, MAX_SERIES, MAX_TEXT = 128, 512, 4096  # characters
MAX_TABLE_BYTES, MAX_DEPTH = 1_000_000, 64
_MAX_SHOWN = 80  # characters of a refused value that an error repeats
_INT64 = 2**63


@dataclass(frozen=True)
class Expected:
    """Name in errors what a field should have been: ``Annotated[int, Expected("a whole number")]``."""

    text: str


def _bounded(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse a table that is too large or too deep to be handled, or that has no UTF-8 form."""
    _measure(table, MAX_DEPTH)
    size = len(json.dumps(table, ensure_ascii=False).encode())  # of a lone surrogate: UnicodeEncodeError, a ValueError
    if size > MAX_TABLE_BYTES:
        message = f"{size} bytes"
        raise ValueError(message)
    return table


def _measure(node: Any, depth: int) -> None:
    if not isinstance(node, (Mapping, list, tuple)):
        return
    if depth == 0:
        message = "too deep"
        raise ValueError(message)
    for item in node.values() if isinstance(node, Mapping) else node:
        _measure(item, depth - 1)


EpochMs = Annotated[int, Field(ge=-_INT64, lt=_INT64), Expected("epoch milliseconds")]
Count = Annotated[int, Field(ge=0, lt=_INT64), Expected("a whole number of at least 0")]
Positive = Annotated[int, Field(ge=1, lt=_INT64), Expected("a whole number of at least 1")]
Name = Annotated[str, Field(max_length=MAX_NAME), Expected(f"text of at most {MAX_NAME} characters")]
Text = Annotated[str, Field(max_length=MAX_TEXT), Expected(f"text of at most {MAX_TEXT} characters")]
Series = Annotated[str, Field(max_length=MAX_SERIES), Expected(f"text of at most {MAX_SERIES} characters")]
Table = Annotated[
    Mapping[str, Any],
    AfterValidator(_bounded),
    Expected(f"an object whose JSON has at most {MAX_TABLE_BYTES} bytes of UTF-8 and {MAX_DEPTH} levels"),
]


@pydantic_dataclass(frozen=True, config=MESSAGE_CONFIG)
class Message:
    """Base of the messages: errors that name the field, found and expected value; parsing; JSON Schema.

    A subclass sets its name in errors, the version of its schema, its reader (to be upgraded for a later version), the
    type of its errors, and a line for its JSON Schema. The constructor checks the same as parsing does.

    Raises:
        EddyError: of the type ``error``, by the constructor and by :meth:`from_json`.
    """

    what: ClassVar[str] = "message"
    version_of_schema: ClassVar[int] = 1
    reader: ClassVar[str] = "reader"
    error: ClassVar[type[EddyError]] = EddyError
    about: ClassVar[str] = ""

    @classmethod
    def from_json(cls, value: bytes) -> Self:
        """Parse and check a message's value; unknown fields are ignored.

        Raises:
            EddyError: of the type ``error``; names the field, what was found and what was expected.
        """
        try:
            raw = json.loads(value)
        except (ValueError, RecursionError) as problem:
            raise cls.error(f"{cls.what}: not JSON: {problem}") from None
        if not isinstance(raw, dict):
            raise cls.error(f"{cls.what}: expected a JSON object, found {type(raw).__name__}")
        found, known = raw.get("schema"), cls.version_of_schema
        if type(found) is not int or found != known:
            later = type(found) is int and found > known
            raise cls.wrong("schema", found, f"{known}: upgrade the {cls.reader} first" if later else f"{known}")
        return cls(**{one.name: raw[one.name] for one in fields(cls) if one.name in raw})

    @classmethod
    def wrong(cls, name: str, found: Any, expected: str) -> EddyError:
        """Return the error that names what a field should have been."""
        try:
            shown = str(found)
        except RecursionError:
            shown = f"{type(found).__name__} that is nested too deep"
        return cls.error(f"{cls.what}: field {name!r}: found {shown[:_MAX_SHOWN]!r}, expected {expected}")

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the message (draft 2020-12)."""
        found = TypeAdapter(cls).json_schema(schema_generator=_Untitled)
        own = {name: entry for name, entry in found["properties"].items() if name != "schema"}
        found["properties"] = {"schema": {"const": cls.version_of_schema}, **own}
        found["required"] = ["schema", *found["required"]]
        head = {"$schema": _Untitled.schema_dialect, "title": cls.what.capitalize(), "description": cls.about}
        rest: dict[str, Any] = _first_lines({name: entry for name, entry in found.items() if name not in head})
        return {**head, **rest}

    @model_validator(mode="wrap")
    @classmethod
    def _explained(cls, value: Any, check: Callable[[Any], Self]) -> Self:
        """Turn pydantic's error into ours; it is no ValueError and therefore passes through pydantic."""
        try:
            return check(value)
        except ValidationError as refused:
            first = refused.errors(include_url=False)[0]
            place = first["loc"][0]
            name = fields(cls)[place].name if isinstance(place, int) else str(place)
            found = None if isinstance(first["input"], ArgsKwargs) else first["input"]  # None: the field is missing
            marks = cls.__pydantic_fields__[name].metadata  # type: ignore[attr-defined]  # of pydantic's dataclasses
            expected = next((mark.text for mark in marks if isinstance(mark, Expected)), first["msg"])
            if first["type"] == "string_unicode":
                expected += " that can be encoded as UTF-8"
            raise cls.wrong(name, found, expected) from None


class _Untitled(GenerateJsonSchema):
    """Generate schemas without a title per field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _first_lines(node: Any) -> Any:
    """Cut descriptions that are docstrings down to their first paragraph, and drop the classes' names."""
    if isinstance(node, list):
        return [_first_lines(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _first_lines(entry) for name, entry in node.items() if name != "title" or not isinstance(entry, str)}
    if isinstance(kept.get("description"), str):
        kept["description"] = kept["description"].partition("\n\n")[0]
    return kept
