"""Check what Avro records become: each type, what Kafka Connect names, schemas in files; and schemas that are traps."""

from __future__ import annotations

import datetime
import io
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from eddy.errors import SettingsError
from eddy.formats import BadObservation
from eddy.inputs.formats.avro_format import decoder
from tests.inputs.registry_messages import mapping, message, read

UTC = datetime.UTC
MOMENT = datetime.datetime(2025, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)
T = 1_735_689_600_250
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


DECIMAL = logical("bytes", "decimal", precision=20, scale=2)
FIXED = {"type": "fixed", "name": "Fixed", "size": 4}
#: (schema, what a producer gives, what the mapping gets)
TYPES: dict[str, tuple[Any, Any, Any]] = {
    "null": ("null", None, None),
    "boolean": ("boolean", True, True),
    "int": ("int", -7, -7),
    "long": ("long", 2**63 - 1, 2**63 - 1),
    "double": ("double", 4.2, 4.2),
    "float": ("float", 0.5, 0.5),
    "string": ("string", "é", "é"),
    "bytes": ("bytes", b"\xff\x00", "/wA="),
    "fixed": (FIXED, b"\xff\x00\xff\x00", "/wD/AA=="),
    "enum": ({"type": "enum", "name": "E", "symbols": ["ON", "OFF"]}, "OFF", "OFF"),
    "array": ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
    "map": ({"type": "map", "values": ["null", "double"]}, {"a": 1.5, "b": None}, {"a": 1.5, "b": None}),
    "union": (["null", "long", "string"], 5, 5),
    "union that is null": (["null", "long"], None, None),
    "union of a record": (["null", {"type": "record", "name": "I", "fields": []}], {}, {}),
    "timestamp-millis": (logical("long", "timestamp-millis"), MOMENT, T),
    "timestamp-micros": (logical("long", "timestamp-micros"), MOMENT, T * 1000),
    "local-timestamp-millis": (logical("long", "local-timestamp-millis"), MOMENT.replace(tzinfo=None), T),
    "local-timestamp-micros": (logical("long", "local-timestamp-micros"), MOMENT.replace(tzinfo=None), T * 1000),
    "timestamp-nanos": (logical("long", "timestamp-nanos"), T * 1_000_000, T * 1_000_000),
    "date": (logical("int", "date"), datetime.date(2025, 1, 31), "2025-01-31"),
    "time-millis": (logical("int", "time-millis"), datetime.time(0, 0, 1), 1000),
    "time-micros": (logical("long", "time-micros"), datetime.time(0, 0, 1), 1_000_000),
    "decimal": (DECIMAL, Decimal("-4.20"), -4.2),
    "decimal, fixed": ({**FIXED, "logicalType": "decimal", "precision": 6, "scale": 3}, Decimal("0.001"), 0.001),
    "decimal without scale": (logical("bytes", "decimal", precision=19), Decimal(2**63 + 1), 2**63 + 1),
    "uuid": (logical("string", "uuid"), ID, str(ID)),
    "uuid, fixed": ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, ID.bytes, str(ID)),
    "duration": (
        {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"},
        b"\1\0\0\0\2\0\0\0\3\0\0\0",
        {"months": 1, "days": 2, "milliseconds": 3},
    ),
    "Connect's date": ({"type": "int", "connect.name": "org.apache.kafka.connect.data.Date"}, 20089, "2025-01-01"),
    "a type in a type": ({"type": {"type": "long", "logicalType": "timestamp-millis"}}, MOMENT, T),
    "a logical type that nobody knows": (logical("long", "eddy-date"), 1, 1),
}


def record(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


@pytest.mark.parametrize("name", TYPES)
def test_every_type(name: str) -> None:
    kind, given, expected = TYPES[name]
    given_bare = given.bytes if name == "uuid, fixed" and isinstance(given, uuid.UUID) else given
    plain = {**kind, "logicalType": "none"} if name in {"uuid, fixed", "timestamp-nanos", "duration"} else kind
    plain = kind["type"] if name == "a type in a type" else plain
    found = decoder(json.dumps(record(kind)))(written(record(plain), {"x": given_bare}), 0)
    assert found == {"x": expected}
    assert type(found["x"]) is type(expected)


def test_named_types_are_read_alike_wherever_they_are_used() -> None:
    decimal = {**FIXED, "logicalType": "decimal", "precision": 6, "scale": 1}
    fields = [{"name": "a", "type": decimal}, {"name": "b", "type": ["null", "Fixed"]}]
    schema = {"type": "record", "name": "R", "namespace": "n", "fields": fields}
    value = written(schema, {"a": Decimal("1.5"), "b": Decimal("2.5")})
    assert decoder(json.dumps(schema))(value, 0) == {"a": 1.5, "b": 2.5}


def test_a_schema_in_a_file_reads_bytes_without_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "reading.avsc"
    path.write_text(json.dumps(record("double")))
    form = {"name": "avro", "schema": str(path)}
    assert message(form, written(record("double"), {"x": 4.2})) == {"x": 4.2}
    source = {"format": form, "series": "{topic}", "time": "kafka", "values": {"x": "x"}}
    result = read(source, written(record("double"), {"x": 4.2}), timestamp=T)
    assert result.observations == [("t", T, {"x": 4.2})]
    (problem,) = read(source, b"\0" * 9).refusals
    assert str(problem) == "bad-format: avro: found 1 bytes after the message, expected none"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "schema_registry.urls: found none"),
        ({"schema": "/nowhere.avsc"}, "schema: /nowhere.avsc cannot be read: No such file"),
        ({"schema": __file__}, "is no schema of Avro: not-json"),
        ({"schema": 7}, "schema: found 7, expected the path"),
        ({"id_bytes": 5}, "id_bytes: found 5, expected 4, or 8"),
        ({"id_bytes": 8, "ids": "x"}, "ids: found 'x', expected id, globalId or contentId"),
        ({"shema": "x"}, "found the option 'shema', expected schema, id_bytes, ids"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        mapping({"format": {"name": "avro", **options}})
    assert expected in str(caught.value)


EMPTY = {"type": "record", "name": "Empty", "fields": []}
WIDE = {"type": "record", "name": "Wide", "fields": [{"name": f"n{at}", "type": "null"} for at in range(100)]}


def doubling(levels: int) -> dict[str, Any]:
    """A few lines of schema for 2 ** levels values."""
    found: Any = {"type": "record", "name": "L0", "fields": [{"name": "x", "type": "null"}]}
    for at in range(1, levels):
        fields = [{"name": "a", "type": found}, {"name": "b", "type": f"L{at - 1}"}]
        found = {"type": "record", "name": f"L{at}", "fields": fields}
    return found


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": EMPTY},
        {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},
        {"type": "array", "items": ["null", WIDE]},
        doubling(20),
        "no.such.Type",
        {"type": "record", "name": "R"},
        {"type": "record", "name": "R", "fields": [7]},
        {"type": "enum", "name": "E"},
        {"type": "array"},
        {"type": "fixed", "name": "F", "size": "x"},
        {"type": "bytes", "logicalType": "decimal", "scale": "x"},
        7,
    ],
)
def test_schemas_that_are_none_or_traps_are_refused(schema: Any) -> None:
    with pytest.raises((ValueError, BadObservation)):
        decoder(json.dumps(schema))


LIST = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}


def test_a_type_within_itself_is_read_up_to_a_depth() -> None:
    """The C code of fastavro ends the process at some ten thousand levels."""
    read = decoder(json.dumps(LIST))
    assert read(b"\2\0", 0) == {"n": {"n": None}}
    assert read(b"\2" * 99 + b"\0", 0)
    for depth in (101, 1_000, 1_000_000):
        with pytest.raises(BadObservation, match="too-many"):
            read(b"\2" * depth + b"\0", 0)
    endless = decoder(json.dumps({"type": "record", "name": "N", "fields": [{"name": "n", "type": "N"}]}))
    with pytest.raises(BadObservation, match="too-many"):
        endless(b"", 0)


def varint(number: int) -> bytes:
    number = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


@pytest.mark.parametrize("count", [2**62, -(2**62), 2**31, -1])
def test_a_count_that_the_bytes_do_not_hold_allocates_nothing(count: int) -> None:
    for kind in ("string", "bytes", {"type": "array", "items": "long"}, {"type": "map", "values": "long"}):
        with pytest.raises(BadObservation, match="bad-format"):
            decoder(json.dumps(record(kind)))(varint(count) + b"ab", 0)


def test_numbers_that_are_none() -> None:
    read = decoder(json.dumps(record(DECIMAL)))
    with pytest.raises(BadObservation, match="found a decimal of 200 bytes"):
        read(varint(200) + b"\x7f" * 200, 0)
    with pytest.raises(BadObservation, match="found day 2147483647 since 1970"):
        decoder(json.dumps(record(logical("int", "date"))))(varint(2**31 - 1), 0)
