"""Read Protobuf: framed for a schema registry, or bare, with the schema in a file.

Values: fields have the names of the ``.proto`` file; enums are texts (a number without a name stays one), whole numbers
of 64 bits are numbers, bytes are base64 text, keys of maps are texts. A ``Timestamp`` is ISO text, a ``Duration`` a
number of seconds; a wrapper is its value or null, ``Struct`` and ``Value`` are what they stand for,
``google.type.Date`` is ISO text, ``confluent.type.Decimal`` a number. What fields are that are not set says
:class:`~eddy.inputs.formats.protobuf_values.PlainMessages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs.formats.avro_format import REGISTRY_REASONS
from eddy.inputs.formats.base import MessageFormat
from eddy.inputs.formats.options import check_names, library
from eddy.inputs.formats.schema_options import option_file
from eddy.inputs.record import Record
from eddy.inputs.schema_framing import Frame, Framing
from eddy.inputs.schema_registry import Schema, SchemaCache, SchemaRegistry

_MAX_INDEXES = 100
_MAX_NAME_BYTES = 1000


class ProtobufMessages(MessageFormat):
    """Read Protobuf records.

    Args:
        options: ``descriptor`` (a file of protoc's) or ``schema`` (a ``.proto`` file) for bytes without a frame, and
            ``message``, the name of the message, with its package; ``id_bytes`` and ``ids`` (:class:`Framing`).
        registry: where schemas are found.
    """

    name: ClassVar[str] = "protobuf"
    reasons: ClassVar[frozenset[str]] = REGISTRY_REASONS

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("message", "schema", "descriptor", "id_bytes", "ids"))
        library("google.protobuf", self.name)
        from eddy.inputs.formats import protobuf_schema, protobuf_values  # noqa: PLC0415  (in the extra 'formats')

        self._registered = protobuf_schema.registered
        self._values = protobuf_values.PlainMessages()
        self._framing = Framing(options.get("id_bytes", 4), options.get("ids"))
        self._message = options.get("message", "")
        if not isinstance(self._message, str):
            message = f"message: found {shown(self._message)}, expected a name such as plant.Reading"
            raise ValueError(message)
        self._bare = _bare(options, self._message, protobuf_schema)
        if self._bare is None:
            self._schemas = SchemaCache(SchemaRegistry(registry, form="serialized").schema, self._made)

    def messages(self, record: Record) -> Iterable[Any]:
        """Return the message; a tombstone is none."""
        if record.value is None:
            return ()
        if self._bare is not None:
            return (self._read(self._bare, record.value),)
        frame = self._framing.split(record)
        schema = self._schemas.get(frame.schema_id)
        try:
            made, start = self._type(schema, frame)
        except ValueError as error:
            raise BadObservation("bad-format", f"protobuf: {frame.schema_id}: {error}") from None
        return (self._read(made, frame.payload[start:] if start else frame.payload),)

    def _read(self, made: Any, content: bytes) -> Any:
        from google.protobuf.message import DecodeError  # noqa: PLC0415

        try:
            message = made.FromString(content)
        except (DecodeError, ValueError) as error:
            raise BadObservation("bad-format", f"protobuf: {made.DESCRIPTOR.full_name}: {error}") from None
        return self._values.plain(message)

    def _made(self, schema: Schema) -> Any:
        if schema.type not in {"PROTOBUF", ""}:
            raise BadObservation("bad-format", f"{schema.id} is of the type {schema.type}, expected PROTOBUF")
        try:
            return self._registered(schema.text, schema.references)
        except ValueError as error:
            raise BadObservation("bad-format", f"{schema.id} cannot be used: {error}") from None

    def _type(self, schema: Any, frame: Frame) -> tuple[Any, int]:
        """Return the class of a record's message, and where its bytes begin."""
        if frame.apicurio:
            name, start = frame.type_name, frame.start
            if not name and frame.start:
                name, start = _reference(frame.payload, frame.start)
            name = self._message or name
            return (schema.by_name(name) if name else schema.only_message()), start
        if frame.rest is not None:
            indexes, start = message_indexes(frame.rest, 0)[0], 0
        else:
            indexes, start = message_indexes(frame.payload, frame.start)
        return schema.by_indexes(indexes), start


def _bare(options: Mapping[str, Any], message: str, schemas: Any) -> Any:
    if "schema" in options and "descriptor" in options:
        text = "found schema and descriptor, expected one of them"
        raise ValueError(text)
    if (content := option_file(options, "descriptor")) is not None:
        if not message:
            text = "message: found none, expected the name of the message in the descriptor, with its package"
            raise ValueError(text)
        try:
            return schemas.of_descriptor_set(content, message)
        except ValueError as error:
            text = f"descriptor: {options['descriptor']}: {error}"
            raise ValueError(text) from None
    if option_file(options, "schema") is None:
        return None
    try:
        made = schemas.of_text_file(Path(options["schema"]))
        return made.by_name(message) if message else made.only_message()
    except ValueError as error:
        text = f"schema: {options['schema']}: {error}"
        raise ValueError(text) from None


def message_indexes(content: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """Read which message of a schema follows; return it with the place after it.

    The number of indexes and each of them are zigzag varints; no index at all stands for the first message.

    Raises:
        ValueError: there are too many, or the bytes end.

    Examples:
        >>> message_indexes(bytes([0, 9]), 0), message_indexes(bytes([4, 2, 0, 9]), 0)
        (((0,), 1), ((1, 0), 3))
    """
    count, at = _varint(content, at)
    count = (count >> 1) ^ -(count & 1)
    if not 0 <= count <= _MAX_INDEXES:
        message = f"found {count} message indexes, expected at most {_MAX_INDEXES}"
        raise ValueError(message)
    indexes = []
    for _ in range(count):
        index, at = _varint(content, at)
        indexes.append((index >> 1) ^ -(index & 1))
    return tuple(indexes) or (0,), at


def _reference(content: bytes, at: int) -> tuple[str, int]:
    """Read the name that Apicurio's libraries write in front of a message: a message of one text, after its length."""
    length, at = _varint(content, at)
    end = at + length
    if length > _MAX_NAME_BYTES or end > len(content):
        message = f"found {length} bytes for the message's name, expected at most {_MAX_NAME_BYTES}, and in the record"
        raise ValueError(message)
    if length == 0:
        return "", end
    size, start = _varint(content, at + 1)
    if content[at] != 0x0A or start + size > end:
        message = f"found {content[at:end][:20]!r}, expected the name of the message"
        raise ValueError(message)
    return content[start : start + size].decode(errors="replace"), end


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(content) and shift < 35:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    message = "found no end of a number in front of the message"
    raise ValueError(message)
