"""Parse messages that other programs may write: strictly, with errors that name the field, and with a JSON Schema.

A message is a frozen pydantic dataclass that inherits :class:`Message`. Unknown fields are ignored, types are checked
without conversion, every text is bounded and printable by the rule of :mod:`eddy.texts`. Messages that the job writes
per event (alerts, scores) are not of this kind: checking each would cost more than scoring it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ArgsKwargs, core_schema
from typing_extensions import Self  # in 'typing' only since Python 3.11, and the client runs on older ones

from eddy.errors import EddyError
from eddy.event_times import ANY_TIME, USUAL_TIMES, probably
from eddy.texts import MAX_NAME_BYTES, PRINTABLE, SCHEMA_PATTERN, is_printable, size

MESSAGE_CONFIG = ConfigDict(extra="ignore", strict=True)
MAX_NAME, MAX_TEXT = 128, 4096  # characters
MAX_TABLE_BYTES, MAX_DEPTH = 1_000_000, 64
_MAX_SHOWN = 80  # characters of a refused value that an error repeats
_INT64 = 2**63


@dataclass(frozen=True)
class Expected:
    """Name in errors what a field should have been: ``Annotated[int, Expected("a whole number")]``."""

    text: str


@dataclass(frozen=True)
class PrintableText:
    """Check a text by the rule of :mod:`eddy.texts`: ``Annotated[str, PrintableText(64)]``.

    Attributes:
        max_length: characters, of which each has at most four bytes in UTF-8.
        min_length: characters.
        max_bytes: of its UTF-8; 0 = no bound beside the characters.
        lines: whether it may hold tabs and line breaks.
        pattern: whether the JSON Schema gets the rule as a pattern; for keys it would let others through unchecked.
    """

    max_length: int
    min_length: int = 0
    max_bytes: int = 0
    lines: bool = False
    pattern: bool = True

    @property
    def text(self) -> str:
        """Return what the field should have been."""
        length = f"{self.max_bytes} bytes of UTF-8" if self.max_bytes else f"{self.max_length} characters"
        return f"text of {f'{self.min_length} to' if self.min_length else 'at most'} {length}, {PRINTABLE}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, found: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = {**handler(found), "maxLength": self.max_length}
        if self.min_length:
            schema["minLength"] = self.min_length
        return schema if self.lines or not self.pattern else {**schema, "pattern": SCHEMA_PATTERN}

    def _check(self, found: str) -> str:
        fits = self.min_length <= len(found) <= self.max_length and is_printable(found, self.lines)
        if not fits or (self.max_bytes and size(found) > self.max_bytes):
            raise ValueError(self.text)
        return found


_WALL_CLOCK = object()
_ABOUT_TEXTS = f"Texts hold {PRINTABLE}; see docs/messages.md."


def _bounded(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse a table that is too large or too deep to be handled, or has a text that is not printable."""
    _check_nodes(table, MAX_DEPTH)
    length = len(json.dumps(table, ensure_ascii=False).encode())
    if length > MAX_TABLE_BYTES:
        message = f"{length} bytes"
        raise ValueError(message)
    return table


def _check_nodes(node: Any, depth: int) -> None:
    if isinstance(node, str) and not is_printable(node, lines=True):
        message = "not printable"
        raise ValueError(message)
    if not isinstance(node, (Mapping, list, tuple)):
        return
    if depth == 0:
        message = "too deep"
        raise ValueError(message)
    if isinstance(node, Mapping):
        for name in node:
            _check_nodes(name, depth)
    for item in node.values() if isinstance(node, Mapping) else node:
        _check_nodes(item, depth - 1)


#: an event time, as observations have it: any that a date can hold
EpochMs = Annotated[int, Field(ge=ANY_TIME.first_ms, le=ANY_TIME.last_ms), Expected("epoch milliseconds")]
#: the time at which a message was written; a message from outside is refused if its writer meant another unit
WallClockMs = Annotated[EpochMs, _WALL_CLOCK]
Count = Annotated[int, Field(ge=0, lt=_INT64), Expected("a whole number of at least 0")]
Positive = Annotated[int, Field(ge=1, lt=_INT64), Expected("a whole number of at least 1")]
Name = Annotated[str, PrintableText(MAX_NAME)]
Text = Annotated[str, PrintableText(MAX_TEXT)]
SeriesId = Annotated[str, PrintableText(MAX_NAME_BYTES, 1, MAX_NAME_BYTES)]
Table = Annotated[
    Mapping[str, Any],
    AfterValidator(_bounded),
    Expected(
        f"an object whose JSON has at most {MAX_TABLE_BYTES} bytes of UTF-8 and {MAX_DEPTH} levels, of printable texts"
    ),
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
        message = cls(**{one.name: raw[one.name] for one in fields(cls) if one.name in raw})
        for name, one in cls.__pydantic_fields__.items():  # type: ignore[attr-defined]  # of pydantic's dataclasses
            if _WALL_CLOCK not in one.metadata or (found := getattr(message, name)) in USUAL_TIMES:
                continue
            if meant := probably(found, "ms"):
                raise cls.wrong(name, found, f"epoch milliseconds{meant}")
        return message

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
        head = {
            "$schema": _Untitled.schema_dialect,
            "title": cls.what.capitalize(),
            "description": f"{cls.about} {_ABOUT_TEXTS}",
        }
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
            problem = first.get("ctx", {}).get("error")  # what a check of ours says
            expected = str(problem or first["msg"])
            if first["type"] == "string_unicode":
                expected = f"text that can be encoded as UTF-8, {PRINTABLE}"
            expected = next((mark.text for mark in marks if isinstance(mark, (Expected, PrintableText))), expected)
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
