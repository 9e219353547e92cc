"""Check framed JSON, with and without validation against its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eddy.errors import SettingsError
from eddy.inputs.formats.json_schema_format import _validator
from eddy.inputs.schema_registry import Schema, SchemaId
from tests.inputs import registry_messages
from tests.inputs.registry_messages import framed, json_schema, mapping, message, read, registered, settings, topic
from tests.integration.schema_registry import RegistryServer

T = 1_735_689_600_000
SCHEMA = {
    "title": "Reading",
    "type": "object",
    "properties": {
        "series": {"type": "string"},
        "ts": {"type": "integer"},
        "value": {"type": "number", "maximum": 100},
    },
    "required": ["series"],
}
READING = {"series": "p7", "ts": T, "value": 4.2}
VALIDATED = {"format": {"name": "json-schema", "validate": True}}


def test_the_frame_is_taken_off_and_no_registry_asked() -> None:
    value = framed(7, json.dumps(READING).encode())
    assert read({"format": "json-schema"}, value).observations == [("p7", T, {"value": 4.2})]
    array = framed(7, json.dumps([READING, READING]).encode())
    assert len(read({"format": "json-schema"}, array).observations) == 2
    assert read({"format": "json-schema"}, None).skipped == 1
    for wrong, reason in ((b'{"series": 1}', "not-framed"), (framed(7, b""), "empty"), (framed(7, b"{"), "not-json")):
        (problem,) = read({"format": "json-schema"}, wrong).refusals
        assert problem.reason == reason


@pytest.mark.slow
def test_what_does_not_fit_the_schema_is_refused_where_it_is_validated(schema_registry: RegistryServer) -> None:
    value = json_schema(schema_registry, SCHEMA, READING)
    given = settings(schema_registry)
    assert read(VALIDATED, value, given).observations
    wrong = value[:5] + json.dumps({**READING, "value": 101}).encode()
    (problem,) = read(VALIDATED, wrong, given).refusals
    number = int.from_bytes(value[1:5], "big")
    assert str(problem) == f"bad-format: value does not fit schema {number}: 101 is greater than the maximum of 100"
    assert read({"format": "json-schema"}, wrong, given).observations
    (lacking,) = read(VALIDATED, value[:5] + b'{"ts": 1}', given).refusals
    assert "the message does not fit" in str(lacking)
    proto = registered(schema_registry, "PROTOBUF", 'syntax = "proto3"; message M { string a = 1; }')
    (other,) = read(VALIDATED, framed(proto, b"{}"), given).refusals
    assert "is of the type PROTOBUF, expected JSON" in str(other)


@pytest.mark.slow
def test_references_are_followed_in_the_registry_and_nowhere_else(schema_registry: RegistryServer) -> None:
    from confluent_kafka.schema_registry import Schema as Registered

    subject = topic()
    registry_messages.client(schema_registry).register_schema(
        subject,
        Registered(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "number"}), "JSON"),
    )
    outer = {"type": "object", "properties": {"value": {"$ref": "number.json"}}}
    number = registered(schema_registry, "JSON", json.dumps(outer), {"number.json": (subject, 1)})
    given = settings(schema_registry)
    assert read(VALIDATED, framed(number, json.dumps(READING).encode()), given).observations
    (problem,) = read(VALIDATED, framed(number, b'{"value": "x"}'), given).refusals
    assert "value does not fit" in str(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "cannot be used: not-json"),
        ('{"type": "nonsense"}', "cannot be used"),
        ('{"$ref": "http://127.0.0.1:1/x.json"}', "cannot be used: Unresolvable"),
        ('{"$ref": "#"}', "cannot be used"),
        ("7", "cannot be used"),
    ],
)
def test_schemas_that_cannot_be_used_refuse_the_record(text: str, expected: str) -> None:
    from eddy.formats import BadObservation

    def use() -> None:
        _validator(Schema(SchemaId("id", 7), "JSON", text))({"a": 1})

    with pytest.raises(BadObservation) as caught:
        use()
    assert caught.value.reason == "bad-format"
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"validate": "yes"}, "validate: found 'yes', expected true or false"),
        ({"validate": True}, "schema_registry.urls: found none"),
        ({"valid": True}, "found the option 'valid', expected validate, id_bytes, ids"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        mapping({"format": {"name": "json-schema", **options}})
    assert expected in str(caught.value)


def test_the_only_message_is_the_object() -> None:
    assert message("json-schema", framed(1, b'{"a": 1}')) == {"a": 1}
