"""Check that CloudEvents are read in both modes, as the project's own library writes them to Kafka."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from eddy.inputs.record import Record
from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats.reading import T, read, seen

BASE = {"specversion": "1.0", "id": "1", "source": "/pump/7", "type": "reading"}
EVENT = {**BASE, "time": "2025-01-01T00:00:00Z"}
KIND = b"application/cloudevents+json; charset=utf-8"
HEADERS = [(f"ce_{name}", one.encode()) for name, one in EVENT.items()]


def structured(**more: Any) -> bytes:
    return json.dumps({**EVENT, **more}).encode()


def binary(value: bytes | None, kind: str | None = "application/json", *headers: tuple[str, bytes]) -> Record:
    given = [] if kind is None else [("content-type", kind.encode())]
    return Record("t", timestamp=T + 5, value=value, headers=[*HEADERS, *headers, *given])


class TestCloudEvents(MessageFormatContract):
    name = "cloudevents"
    good = [
        (
            structured(data={"t": 1}, subject="a b"),
            [{**EVENT, "data": {"t": 1}, "subject": "a b", "series": "/pump/7 a b"}],
        ),
        (
            structured(n=7, b=True, data=None, dataschema=None, series="own"),
            [{**EVENT, "n": "7", "b": "true", "data": None, "series": "own"}],
        ),
        (
            structured(datacontenttype="application/x+json", data_base64=base64.b64encode(b"[1]").decode()),
            [{**EVENT, "datacontenttype": "application/x+json", "data": [1], "series": "/pump/7"}],
        ),
        (
            structured(datacontenttype="image/png", data_base64="/w=="),
            [{**EVENT, "datacontenttype": "image/png", "series": "/pump/7"}],
        ),
        (
            json.dumps(
                [BASE, {**BASE, "id": ""}, {}, 7, {**BASE, "data_base64": "?"}, {**BASE, "data_base64": 7}]
            ).encode(),
            [
                {**BASE, "time": "2025-01-01T00:00:00Z", "series": "/pump/7"},
                *["bad-format"] * 2,
                "not-an-object",
                *["bad-format"] * 2,
            ],
        ),
        (
            Record("t", value=structured(data=1), headers=[("Content-Type", KIND)]),
            [{**EVENT, "data": 1, "series": "/pump/7"}],
        ),
        (
            binary(b'{"t": 1}'),
            [{**EVENT, "datacontenttype": "application/json", "data": {"t": 1}, "series": "/pump/7"}],
        ),
        (
            binary(b'{"t": 1}', None, ("ce_subject", "é".encode()), ("other", b"\xff")),
            [{**EVENT, "data": {"t": 1}, "subject": "é", "series": "/pump/7 é"}],
        ),
        (binary(b"7;8", "text/csv"), [{**EVENT, "datacontenttype": "text/csv", "data": "7;8", "series": "/pump/7"}]),
        (binary(b"\xff", "image/png"), [{**EVENT, "datacontenttype": "image/png", "series": "/pump/7"}]),
        (binary(b"no JSON", None), [{**EVENT, "series": "/pump/7"}]),
        (binary(None, None), [{**EVENT, "series": "/pump/7"}]),
    ]
    bad = [
        b"",
        b"{",
        binary(b"{"),
        binary(b"[" * 101),
        binary(b"[" * 101, None),
        binary(b"1", "application/json", ("ce_subject", b"\xff")),
        Record("t", value=b"1", headers=[("ce_id", b"1")]),
        Record("t", value=structured(), headers=[("content-type", b"application/cloudevents+avro")]),
        json.dumps([BASE] * 10_001).encode(),
    ]


def test_one_bad_event_is_refused_as_a_record() -> None:
    result = read({"format": "cloudevents"}, json.dumps({**BASE, "specversion": "0.3"}).encode())
    assert [str(one) for one in result.refusals] == [
        "bad-format: found specversion '0.3', expected an event of version 1.0"
    ]


@pytest.mark.parametrize("write", [to_binary_event, to_structured_event])
def test_both_modes_of_the_library_give_the_same_observations(write: Any) -> None:
    attributes = {
        "id": "e-1",
        "source": "urn:plant:7",
        "type": "com.example.reading",
        "subject": "line 1",
        "time": datetime(2025, 1, 1, tzinfo=UTC),
        "datacontenttype": "application/json",
        "tenant": "n/1",
    }
    message: KafkaMessage = write(CloudEvent(attributes=attributes, data={"temp": 4.5, "in": {"p": 2}, "ok": True}))
    record = {"headers": list(message.headers.items()), "key": message.key, "timestamp": T + 9}
    assert seen(read({"format": "cloudevents"}, message.value, **record)) == [
        ("urn:plant:7 line 1", T, {"data.temp": 4.5, "data.in.p": 2.0})
    ]
    source = {
        "format": "cloudevents",
        "where": {"type": "com.*"},
        "series": "{tenant}/{id}",
        "values": {"t": "data.temp"},
    }
    assert seen(read(source, message.value, **record)) == [("n%2F1/e-1", T, {"t": 4.5})]


def test_an_event_without_time_has_that_of_its_record() -> None:
    value = json.dumps({**BASE, "data": {"v": 1}}).encode()
    assert seen(read({"format": "cloudevents"}, value, timestamp=T + 1)) == [("/pump/7", T + 1, {"data.v": 1.0})]
