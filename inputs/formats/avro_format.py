"""Read Avro: framed for a schema registry, or bare, with the schema in a file.

A record is read with the schema that it was written with; a mapping then finds fields by name. So a field that a later
schema lacks is one that is not there, and defaults of a reader's schema play no part.

Values: enums are texts; a union is the value itself; bytes and fixed are base64 text. Logical types: timestamps are
whole numbers in their own unit (``unit: ms``, ``us`` or ``ns``, and ``auto`` finds it), times of day too; a date is ISO
text; a decimal is a whole number where its scale is 0, else the nearest double; a UUID is text; a duration is an object
of ``months``, ``days`` and ``milliseconds``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation
from eddy.inputs import json_message
from eddy.inputs.formats.avro_schema import Bounds, parsed, rewritten
from eddy.inputs.formats.base import MessageFormat, only
from eddy.inputs.formats.options import check_names, library
from eddy.inputs.formats.schema_options import option_file
from eddy.inputs.record import Record
from eddy.inputs.schema_framing import Framing
from eddy.inputs.schema_registry import Schema, SchemaCache, SchemaRegistry

REGISTRY_REASONS = frozenset({"not-framed", "no-schema"})

Decoder = Callable[[bytes, int], Any]


class AvroMessages(MessageFormat):
    """Read Avro records.

    Args:
        options: ``schema`` (a file, for bytes without a frame), ``id_bytes`` and ``ids`` (:class:`Framing`).
        registry: where schemas are found.
    """

    name: ClassVar[str] = "avro"
    reasons: ClassVar[frozenset[str]] = REGISTRY_REASONS

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("schema", "id_bytes", "ids"))
        library("fastavro", self.name)
        self._framing = Framing(options.get("id_bytes", 4), options.get("ids"))
        self._bare: Decoder | None = None
        if (content := option_file(options, "schema")) is not None:
            self._bare = _of_file(content, options["schema"])
        else:
            self._decoders = SchemaCache(SchemaRegistry(registry).schema, _of_registry)

    def messages(self, record: Record) -> Iterable[Any]:
        """Return the record, or the elements of an array; a tombstone has none."""
        if record.value is None:
            return ()
        if self._bare is not None:
            return only(self._bare(record.value, 0))
        frame = self._framing.split(record)
        return only(self._decoders.get(frame.schema_id)(frame.payload, frame.start))


def _of_registry(schema: Schema) -> Decoder:
    """Make the decoder of a registered schema.

    Raises:
        BadObservation: ``bad-format``: it is no schema of Avro.
    """
    if schema.type not in {"AVRO", ""}:
        found = f"{schema.id} is of the type {schema.type}, expected AVRO"
        raise BadObservation(
            "bad-format", f"{found}; the source's format may be {_FORMATS.get(schema.type, 'another')}"
        )
    try:
        return decoder(schema.text, schema.references.values())
    except (ValueError, BadObservation) as error:
        raise BadObservation("bad-format", f"{schema.id} cannot be used: {error}") from None


def _of_file(content: bytes, path: str) -> Decoder:
    try:
        return decoder(content)
    except (ValueError, BadObservation) as error:
        message = f"schema: {path} is no schema of Avro: {error}"
        raise ValueError(message) from None


_FORMATS = {"PROTOBUF": "protobuf", "JSON": "json-schema"}


def decoder(schema: str | bytes, others: Iterable[str] = ()) -> Decoder:
    """Return a function that reads bytes of a schema from a place on.

    Args:
        schema: its JSON.
        others: schemas whose types it uses, in order.

    Raises:
        ValueError, BadObservation: it is no schema, or one by which a few bytes could fill the memory.
    """
    import fastavro  # noqa: PLC0415  (in the extra 'formats')
    from fastavro import _read_py  # noqa: PLC0415

    from eddy.inputs.formats import avro_values as _  # noqa: F401, PLC0415  (readers of our logical types)

    named: dict[str, Any] = {}
    try:
        for one in (*others, schema):
            writer = fastavro.parse_schema(rewritten(parsed(one)), named_schemas=named)
        bounds = Bounds(writer, named)
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, KeyError, TypeError) as error:
        message = f"{type(error).__name__}: {error}"
        raise ValueError(message) from None
    # C code that follows a message into a million levels ends the process; Python's ends with an exception
    read = _read_py.schemaless_reader if bounds.recursive else fastavro.schemaless_reader

    def decode(content: bytes, start: int) -> Any:
        stream = io.BytesIO(content)
        stream.seek(start)
        try:
            found = read(stream, writer, None)
        except BadObservation:
            raise
        except RecursionError:
            raise BadObservation("too-many", _TOO_DEEP) from None
        except Exception as error:
            raise BadObservation("bad-format", f"avro: {type(error).__name__}: {error}") from None
        if left := len(content) - stream.tell():
            raise BadObservation("bad-format", f"avro: found {left} bytes after the message, expected none")
        if bounds.recursive and deeper(found, json_message.MAX_NESTING):
            raise BadObservation("too-many", _TOO_DEEP)
        return found

    return decode


_TOO_DEEP = f"avro: found more objects and arrays within each other, expected at most {json_message.MAX_NESTING}"


def deeper(found: Any, levels: int) -> bool:
    """Return whether objects and arrays are nested deeper than so many levels.

    Examples:
        >>> deeper({"a": [1]}, 2), deeper({"a": [1]}, 1)
        (False, True)
    """
    level = [found]
    for _ in range(levels + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return False
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return True
