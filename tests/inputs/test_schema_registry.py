"""Check what a source does with its schema registry: a real one, away, refusing, behind TLS; and changed schemas."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from eddy.connection_settings import SchemaRegistrySettings
from eddy.errors import SettingsError, StackError
from eddy.formats import BadObservation
from eddy.input_settings import InputSource
from eddy.inputs import registry_connection
from eddy.inputs import schema_registry as registry_module
from eddy.inputs.check import check
from eddy.inputs.record import Record
from eddy.inputs.registry_connection import RegistryConnection
from eddy.inputs.schema_registry import SchemaId, SchemaRegistry
from eddy.stack.ports import free_ports
from tests.inputs.front_door import front_door
from tests.inputs.registry_messages import avro, framed, mapping, message, read, registered, settings, topic
from tests.integration.certificates import Authority
from tests.integration.schema_registry import RegistryServer

pytestmark = pytest.mark.slow  # starts a registry

T = 1_735_689_600_000
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "pump", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "t", "type": ["null", "double"]},
    ],
}
READING = {"pump": "p7", "at": T, "t": 4.2}
SOURCE = {"format": "avro", "series": "{pump}", "time": {"field": "at", "unit": "ms"}, "values": {"t": "t"}}


USER = {"username": "eddy", "password": "pässword"}


def reason(result: Any) -> str:
    assert (result.observations, len(result.refusals)) == ([], 1), result
    return str(result.refusals[0].reason)


def test_a_record_of_confluents_serializer_is_read(schema_registry: RegistryServer) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    result = read(SOURCE, value, settings(schema_registry))
    assert result.observations == [("p7", T, {"t": 4.2})]


def test_a_schema_is_asked_for_once(schema_registry: RegistryServer) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    with front_door(schema_registry.address) as door:
        reader = mapping(SOURCE, settings(door.url))
        assert all(reader.read(Record("t", value=value)).observations for _ in range(5))
        assert len(door.paths) == 1
        unknown = framed(2**31 - 1, value[5:])
        assert [reason(reader.read(Record("t", value=unknown))) for _ in range(5)] == ["no-schema"] * 5
        assert len(door.paths) == 2


def test_an_unknown_id_is_asked_for_again_after_a_while(
    schema_registry: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "ABSENT_SECONDS", 0.2)
    name = topic()
    here: list[int] = []
    value = avro(schema_registry, SCHEMA, READING, name)
    absent = json.dumps({"error_code": 40403, "message": "Schema not found"}).encode()
    with front_door(schema_registry.address, lambda _path, _who: None if here else (404, absent)) as door:
        reader = mapping(SOURCE, settings(door.url))
        assert reason(reader.read(Record("t", value=value))) == "no-schema"
        here.append(1)
        deadline = time.monotonic() + 5
        while not reader.read(Record("t", value=value)).observations:
            assert time.monotonic() < deadline


def test_a_registry_that_is_away_for_some_seconds_costs_no_record(
    schema_registry: RegistryServer, caplog: pytest.LogCaptureFixture
) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    reader = mapping(SOURCE, settings(schema_registry, timeout_ms=300))
    schema_registry.freeze()
    back = threading.Timer(2.0, schema_registry.thaw)
    back.start()
    began = time.monotonic()
    try:
        with caplog.at_level(logging.WARNING):
            result = reader.read(Record("t", value=value))
    finally:
        back.join()
    assert time.monotonic() - began >= 1.9
    assert result.observations == [("p7", T, {"t": 4.2})]
    told = [record.getMessage() for record in caplog.records if record.name == registry_connection.__name__]
    assert len(told) == 2, told
    assert "records wait for up to 10 s" in told[0]
    assert "answers again" in told[1]


def test_a_registry_that_stays_away_stops_the_reader_and_loses_nothing(schema_registry: RegistryServer) -> None:
    (port,) = free_ports(1)
    reader = mapping(SOURCE, settings(f"http://127.0.0.1:{port}", patience_seconds=1))
    began = time.monotonic()
    with pytest.raises(StackError, match=rf"no schema registry answered for 1 s: http://127.0.0.1:{port}: .*refused"):
        reader.read(Record("t", value=framed(1, b"\0")))
    assert time.monotonic() - began < 5


def test_the_next_address_is_asked_where_the_first_is_away(schema_registry: RegistryServer) -> None:
    (port,) = free_ports(1)
    value = avro(schema_registry, SCHEMA, READING)
    urls = f"http://127.0.0.1:{port}, {schema_registry.url}/"
    assert read(SOURCE, value, settings(urls, patience_seconds=1)).observations


def test_an_error_of_the_registry_is_waited_for(schema_registry: RegistryServer) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    faults = [(503, b"busy"), (429, b""), (200, b"<html>"), (404, b"<html>"), (500, b'{"error_code": 50001}')]
    with front_door(schema_registry.address, lambda _path, _who: faults.pop(0) if faults else None) as door:
        assert mapping(SOURCE, settings(door.url)).read(Record("t", value=value)).observations
        assert faults == []


def test_a_wrong_path_in_the_address_loses_nothing(schema_registry: RegistryServer) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    wrong = settings(schema_registry.url.replace("v7", "v77"), patience_seconds=1)
    with pytest.raises(StackError, match=r"404 without naming a schema; is the path of schema_registry.urls right"):
        read(SOURCE, value, wrong)


def test_an_answer_has_a_largest_size(schema_registry: RegistryServer) -> None:
    big = json.dumps({"schema": "x" * registry_connection.MAX_ANSWER_BYTES}).encode()
    with front_door(answer=lambda _path, _who: (200, big)) as door:
        result = read(SOURCE, framed(1, b"\0"), settings(door.url))
        assert reason(result) == "no-schema"
        assert "more than 4194304 bytes" in str(result.refusals[0])


def needs(wanted: str) -> Any:
    return lambda _path, who: None if who == wanted else (401, b'{"error_code": 401}')


def test_user_and_password(schema_registry: RegistryServer, tmp_path: Path) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    pair = "Basic " + base64.b64encode("eddy:pässword".encode()).decode()
    with front_door(schema_registry.address, needs(pair)) as door:
        assert read(SOURCE, value, settings(door.url, **USER)).observations
        with pytest.raises(SettingsError, match="answered 401: the schema registry refuses the user and password"):
            read(SOURCE, value, settings(door.url, **{**USER, "password": "wrong"}))
        with pytest.raises(SettingsError, match="refuses a request without credentials"):
            read(SOURCE, value, settings(door.url))


def test_a_token_file_is_read_again_when_the_token_is_refused(schema_registry: RegistryServer, tmp_path: Path) -> None:
    one, other = (avro(schema_registry, {**SCHEMA, "name": name}, READING) for name in ("One", "Other"))
    file = tmp_path / "token"
    file.write_text("first\n")
    wanted = ["Bearer first"]

    def answer(path: str, who: str) -> Any:
        return needs(wanted[0])(path, who)

    with front_door(schema_registry.address, answer) as door:
        reader = mapping(SOURCE, settings(door.url, token_file=str(file)))
        assert reader.read(Record("t", value=one)).observations
        wanted[0] = "Bearer second"
        file.write_text("second\n")
        assert reader.read(Record("t", value=other)).observations
        wanted[0] = "Bearer third"
        with pytest.raises(SettingsError, match="refuses the token") as caught:
            reader.read(Record("t", value=framed(2**31 - 1, b"")))
        assert "second" not in str(caught.value)


def test_tls_with_a_certificate_of_the_client(schema_registry: RegistryServer, tmp_path: Path) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    authority = Authority(tmp_path / "ca")
    own, key = authority.issue("client")
    with front_door(schema_registry.address, files=(*authority.issue("registry"), authority.ca)) as door:
        files = {"ssl_cafile": str(authority.ca), "ssl_certfile": str(own), "ssl_keyfile": str(key)}
        assert read(SOURCE, value, settings(door.url, **files)).observations
        with pytest.raises(StackError, match="CERTIFICATE_VERIFY_FAILED"):
            read(SOURCE, value, settings(door.url, patience_seconds=1))
        with pytest.raises(StackError, match="no schema registry answered"):
            read(SOURCE, value, settings(door.url, patience_seconds=1, ssl_cafile=str(authority.ca)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"urls": ""}, "schema_registry.urls: found none"),
        ({"urls": "registry:8081"}, "found 'registry:8081', expected an address"),
        ({"urls": "http://me:secret@registry"}, "expected it in schema_registry.username"),
        ({"ssl_cafile": "/nowhere/ca.pem"}, "schema_registry.ssl_cafile: found no file"),
        ({"ssl_keyfile": __file__}, "found no ssl_certfile beside it"),
        ({"username": "a", "token": "b"}, "found username and token, expected one"),
        ({"username": "a", "password_file": "/nowhere/p"}, "password_file: /nowhere/p cannot be read: No such file"),
    ],
)
def test_settings_that_cannot_be_used(given: dict[str, Any], expected: str) -> None:
    made = SchemaRegistrySettings.model_validate({"urls": "http://127.0.0.1:1", **given})
    with pytest.raises(SettingsError) as caught:
        RegistryConnection(made)
    assert expected in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_is_not_framed_is_refused(schema_registry: RegistryServer) -> None:
    given = settings(schema_registry)
    for value in (b'{"pump": "p7"}', b"", b"\0\0\0\0"):
        assert reason(read(SOURCE, value, given)) == "not-framed"
    assert read(SOURCE, None, given).skipped == 1


def test_the_id_of_another_schema_is_refused(schema_registry: RegistryServer) -> None:
    """Bytes that belong to one schema, with the id of others: there is no observation of made-up values."""
    value = avro(schema_registry, SCHEMA, READING)
    other = registered(schema_registry, "AVRO", json.dumps({**SCHEMA, "fields": SCHEMA["fields"][:1]}))
    assert reason(read(SOURCE, framed(other, value[5:]), settings(schema_registry))) == "bad-format"
    proto = registered(schema_registry, "PROTOBUF", 'syntax = "proto3"; message M { string a = 1; }')
    result = read(SOURCE, framed(proto, value[5:]), settings(schema_registry))
    assert reason(result) == "bad-format"
    assert "the source's format may be protobuf" in str(result.refusals[0])


def test_a_schema_that_lost_a_field(schema_registry: RegistryServer) -> None:
    """Each record by the schema that wrote it: older ones are read on, newer ones say which field is not there."""
    name = topic()
    later = {**SCHEMA, "fields": [one for one in SCHEMA["fields"] if one["name"] != "t"]}
    before = avro(schema_registry, SCHEMA, READING, name)
    after = avro(schema_registry, later, {"pump": "p7", "at": T + 1}, name)
    reader = mapping(SOURCE, settings(schema_registry))
    assert reader.read(Record("t", value=before)).observations
    result = reader.read(Record("t", value=after))
    assert reason(result) == "no-field"
    assert "found no field 't'; there are 'pump', 'at'" in str(result.refusals[0])
    assert reader.read(Record("t", value=before)).observations


def test_a_field_that_was_added_and_moved(schema_registry: RegistryServer) -> None:
    name = topic()
    later = {**SCHEMA, "fields": [{"name": "new", "type": "int", "default": 0}, *reversed(SCHEMA["fields"])]}
    avro(schema_registry, SCHEMA, READING, name)
    value = avro(schema_registry, later, {**READING, "new": 1}, name)
    assert read(SOURCE, value, settings(schema_registry)).observations == [("p7", T, {"t": 4.2})]


def test_schemas_that_refer_to_others(schema_registry: RegistryServer) -> None:
    from tests.inputs.registry_messages import client

    inner = {"type": "record", "name": "plant.Unit", "fields": [{"name": "name", "type": "string"}]}
    outer = {"type": "record", "name": "plant.R", "fields": [{"name": "unit", "type": "plant.Unit"}]}
    subject = topic()
    from confluent_kafka.schema_registry import Schema

    client(schema_registry).register_schema(subject, Schema(json.dumps(inner), "AVRO"))
    number = registered(schema_registry, "AVRO", json.dumps(outer), {"plant.Unit": (subject, 1)})
    found = message("avro", framed(number, b"\x04p7"), settings(schema_registry))
    assert found == {"unit": {"name": "p7"}}


def test_ids_in_headers(schema_registry: RegistryServer) -> None:
    value = avro(schema_registry, SCHEMA, READING)
    headers = [("__value_schema_id", value[:5])]
    assert read(SOURCE, value[5:], settings(schema_registry), headers=headers).observations


def test_ids_of_apicurio(schema_registry: RegistryServer) -> None:
    import requests

    value = avro(schema_registry, SCHEMA, READING)
    content_id = int.from_bytes(value[1:5], "big")
    found = requests.get(
        f"{schema_registry.address}/apis/registry/v2/search/artifacts", timeout=10, params={"limit": 500}
    )
    global_id = next(
        meta["globalId"]
        for one in found.json()["artifacts"]
        for meta in requests.get(
            f"{schema_registry.address}/apis/registry/v2/groups/default/artifacts/{one['id']}/versions", timeout=10
        ).json()["versions"]
        if meta["contentId"] == content_id
    )
    given = settings(schema_registry)
    eight = {**SOURCE, "format": {"name": "avro", "id_bytes": 8}}
    assert read(eight, framed(global_id, value[5:], 8), given).observations
    contents = {**SOURCE, "format": {"name": "avro", "id_bytes": 8, "ids": "contentId"}}
    assert read(contents, framed(content_id, value[5:], 8), given).observations
    for kind, number in (("globalId", global_id), ("contentId", content_id)):
        headers = [(f"apicurio.value.{kind}", number.to_bytes(8, "big"))]
        assert read(SOURCE, value[5:], given, headers=headers).observations
    assert reason(read(eight, framed(2**40, value[5:], 8), given)) == "no-schema"
    with pytest.raises(SettingsError, match="expected one such as http://registry:8080/apis/ccompat/v7"):
        read(eight, framed(global_id, value[5:], 8), settings(schema_registry.address))


def test_a_guid_is_asked_for_as_confluent_documents_it() -> None:
    """Apicurio has no GUIDs, and Confluent's registry cannot be had here: its answer is made after its texts."""
    guid = "89791762-2336-486c-b0cb-8b94c7b3a1c0"
    content = json.dumps({"schema": json.dumps(SCHEMA), "guid": guid}).encode()
    with front_door(
        answer=lambda path, _who: (200, content) if path.endswith(f"/schemas/guids/{guid}") else None
    ) as door:
        header = b"\1" + bytes.fromhex(guid.replace("-", ""))
        found = message("avro", b"\x04p7\x02\x00", settings(door.url), headers=[("__value_schema_id", header)])
    assert found == {"pump": "p7", "at": 1, "t": None}


def test_references_are_bounded() -> None:
    def endless(path: str, _who: str) -> tuple[int, bytes]:
        number = int(path.partition("?")[0].rpartition("/")[2])
        other = {"name": f"n{number}", "subject": "s", "version": number + 1}
        return 200, json.dumps({"schema": '"string"', "references": [other]}).encode()

    with front_door(answer=endless) as door:
        with pytest.raises(BadObservation, match="no-schema: schema 1: found more references") as caught:
            SchemaRegistry(settings(door.url)).schema(SchemaId("id", 1))
        assert caught.value.reason == "no-schema"
        assert len(door.paths) == registry_module.MAX_REFERENCES + 1


def test_a_check_of_records_asks_the_registry(schema_registry: RegistryServer) -> None:
    source = InputSource.model_validate({"topics": "t", **SOURCE})
    records = [Record("t", value=avro(schema_registry, SCHEMA, READING))]
    found = check(records, source, registry=settings(schema_registry))
    assert (found.passes, list(found.series)) == (True, ["p7"])
