"""Find which schema a record was written with: in front of its value, or in its headers.

- Confluent's: byte 0, then the id in four bytes, the most significant first; with ``id_bytes: 8`` (Apicurio) in eight.
- Confluent's header ``__value_schema_id``: byte 0 and the id, or byte 1 and a GUID of 16 bytes.
- Apicurio's headers ``apicurio.value.globalId`` and ``apicurio.value.contentId``: eight bytes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal, get_args

from eddy.formats import BadObservation, shown
from eddy.inputs.record import Record
from eddy.inputs.schema_registry import SchemaId

CONFLUENT_HEADER = "__value_schema_id"
APICURIO_TYPE_HEADER = "apicurio.protobuf.type"
_APICURIO_HEADERS = {"apicurio.value.globalId": "globalId", "apicurio.value.contentId": "contentId"}
_LARGEST_ID = {4: 2**31 - 1, 8: 2**63 - 1}  # Java's: a larger one is random bytes, and not asked for
IdKind = Literal["id", "globalId", "contentId"]


@dataclass(frozen=True)
class Frame:
    """Hold what a record says of its schema.

    Attributes:
        schema_id: of the writer's schema.
        payload: the message itself, from ``start`` on.
        start: where the payload begins.
        rest: what follows the id in Confluent's header; None where the id is in the value.
        apicurio: it was framed by Apicurio's libraries.
        type_name: of a Protobuf message, where a header has it.
    """

    schema_id: SchemaId
    payload: bytes
    start: int = 0
    rest: bytes | None = None
    apicurio: bool = False
    type_name: str = ""


class Framing:
    """Split records.

    Args:
        id_bytes: length of an id in front of a value: 4 or 8.
        ids: what such an id names: ``id`` (Confluent's API), ``globalId`` or ``contentId`` (Apicurio's own); by default
            ``id`` for four bytes, and ``globalId`` for eight.

    Raises:
        ValueError: an argument is none of these.

    Examples:
        >>> print(Framing().split(Record("t", value=bytes([0, 0, 0, 0, 7, 2]))).schema_id)
        schema 7
        >>> Framing().split(Record("t", value=b'{"a": 1}'))
        Traceback (most recent call last):
        ...
        eddy.formats.BadObservation: not-framed: found 8 bytes that begin with b'{"a": 1}', expected byte 0 ...
    """

    def __init__(self, id_bytes: Any = 4, ids: Any = None) -> None:
        if id_bytes not in _LARGEST_ID or isinstance(id_bytes, bool):
            message = f"id_bytes: found {shown(id_bytes)}, expected 4, or 8 as Apicurio's libraries write it"
            raise ValueError(message)
        if ids is not None and ids not in get_args(IdKind):
            message = f"ids: found {shown(ids)}, expected id, globalId or contentId"
            raise ValueError(message)
        self._length = 1 + id_bytes
        self._largest = _LARGEST_ID[id_bytes]
        self._kind: IdKind = ids or ("id" if id_bytes == 4 else "globalId")

    def split(self, record: Record) -> Frame:
        """Return which schema the record names, and where its message begins.

        Raises:
            BadObservation: ``not-framed`` if it names none, ``no-schema`` if no registry could have such an id.
        """
        if record.headers and (frame := _by_headers(record)) is not None:
            return frame
        value = record.value or b""
        if len(value) < self._length or value[0] != 0:
            expected = f"byte 0 and {self._length - 1} bytes with the id of a schema, or a header with it"
            raise BadObservation(
                "not-framed", f"found {len(value)} bytes that begin with {value[:8]!r}, expected {expected}"
            )
        number = int.from_bytes(value[1 : self._length], "big")
        if number > self._largest:
            raise BadObservation("no-schema", f"found the id {number}, expected at most {self._largest}")
        return Frame(SchemaId(self._kind, number), value, self._length, apicurio=self._kind != "id")


def _by_headers(record: Record) -> Frame | None:
    value = record.value or b""
    headers = {name: content for name, content in record.headers if content is not None}
    if (found := headers.get(CONFLUENT_HEADER)) is not None:
        if len(found) >= 5 and found[0] == 0:
            return Frame(SchemaId("id", int.from_bytes(found[1:5], "big")), value, rest=found[5:])
        if len(found) >= 17 and found[0] == 1:
            return Frame(SchemaId("guid", str(uuid.UUID(bytes=found[1:17]))), value, rest=found[17:])
        expected = "byte 0 and an id of 4 bytes, or byte 1 and a GUID of 16"
        raise BadObservation("not-framed", f"header {CONFLUENT_HEADER}: found {found[:20]!r}, expected {expected}")
    for name, kind in _APICURIO_HEADERS.items():
        if (found := headers.get(name)) is None:
            continue
        if len(found) != 8 or found[0] > 127:
            raise BadObservation("not-framed", f"header {name}: found {found[:20]!r}, expected an id of 8 bytes")
        named = headers.get(APICURIO_TYPE_HEADER, b"").decode(errors="replace")
        number = int.from_bytes(found, "big")
        return Frame(SchemaId(kind, number), value, apicurio=True, type_name=named)  # type: ignore[arg-type]
    return None
