"""Check where the id of a schema is looked for."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from eddy.formats import BadObservation
from eddy.inputs.formats.protobuf_format import message_indexes
from eddy.inputs.record import Record
from eddy.inputs.schema_framing import Framing
from eddy.inputs.schema_registry import SchemaId

GUID = uuid.UUID("89791762-2336-486c-b0cb-8b94c7b3a1c0")


def split(value: bytes, headers: Any = (), **options: Any) -> tuple[SchemaId, bytes]:
    frame = Framing(**options).split(Record("t", value=value, headers=headers))
    return frame.schema_id, frame.payload[frame.start :]


def test_the_id_is_in_front_of_the_value() -> None:
    assert split(b"\0\0\0\1\2xy") == (SchemaId("id", 258), b"xy")
    assert split(b"\0\0\0\1\2") == (SchemaId("id", 258), b"")
    assert split(b"\0\0\0\0\0\0\0\1\2xy", id_bytes=8) == (SchemaId("globalId", 258), b"xy")
    assert split(b"\0\0\0\0\0\0\0\1\2xy", id_bytes=8, ids="id") == (SchemaId("id", 258), b"xy")
    assert split(b"\0\0\0\1\2xy", ids="contentId") == (SchemaId("contentId", 258), b"xy")


def test_a_header_counts_before_the_value() -> None:
    value = b"\0\0\0\1\2xy"
    assert split(value, [("__value_schema_id", b"\0\0\0\0\7")]) == (SchemaId("id", 7), value)
    assert split(value, [("__value_schema_id", b"\1" + GUID.bytes)]) == (SchemaId("guid", str(GUID)), value)
    for kind in ("globalId", "contentId"):
        assert split(value, [(f"apicurio.value.{kind}", (7).to_bytes(8, "big"))]) == (SchemaId(kind, 7), value)
    others = [("__key_schema_id", b"\0\0\0\0\7"), ("apicurio.key.globalId", bytes(8)), ("__value_schema_id", None)]
    assert split(value, others) == (SchemaId("id", 258), b"xy")


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\0", b"\1\0\0\0\1x", b'{"a": 1}'])
def test_a_value_without_a_frame(value: bytes) -> None:
    with pytest.raises(BadObservation, match="not-framed: found"):
        split(value)


@pytest.mark.parametrize(
    "header",
    [
        ("__value_schema_id", b""),
        ("__value_schema_id", b"\0\0\0\0"),
        ("__value_schema_id", b"\1\0\0\0\0"),
        ("__value_schema_id", b"\2" * 17),
        ("apicurio.value.globalId", b"\0\0\0\7"),
        ("apicurio.value.contentId", b"\xff" * 8),
    ],
)
def test_a_header_that_holds_no_id(header: tuple[str, bytes]) -> None:
    with pytest.raises(BadObservation, match=f"not-framed: header {header[0]}: found"):
        split(b"\0\0\0\1\2xy", [header])


def test_numbers_that_no_registry_gives_are_not_asked_for() -> None:
    for value, size in ((b"\0\xff\0\0\0x", 4), (b"\0" + b"\xff" * 8, 8)):
        with pytest.raises(BadObservation, match="no-schema: found the id"):
            split(value, id_bytes=size)


def test_indexes_of_a_message() -> None:
    assert message_indexes(b"\0x", 0) == ((0,), 1)
    assert message_indexes(b"xx\2\6y", 2) == ((3,), 4)
    assert message_indexes(b"\6\2\4\x80\2", 0) == ((1, 2, 128), 5)
    for wrong in (b"", b"\2", b"\1", b"\xff\xff\xff\xff\xff\xff", b"\xff\x7f", b"\2\x80"):
        with pytest.raises(ValueError, match="found"):
            message_indexes(wrong, 0)
