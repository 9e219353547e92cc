"""Check that a job reads formats whose schemas a registry has, and what it does while the registry is away."""

from __future__ import annotations

import io
import time
from collections import Counter
from typing import Any

import fastavro
import pytest

from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.given_stack import GivenStack
from tests.inputs.formats.proto_messages import make
from tests.inputs.registry_messages import avro, framed, protobuf, registered
from tests.inputs.test_schema_registry import SCHEMA
from tests.integration import harness
from tests.integration.schema_registry import RegistryServer
from tests.integration.test_input import SPIKES, Observation, incidents, letters, send, with_input

pytestmark = pytest.mark.stack

NAMES = ["north/p1", "north/p2"]
AVRO = {
    "topics": "avro", "format": "avro", "series": "north/{pump}", "time": {"field": "at", "unit": "ms"},
    "values": {"value": "t"},
}  # fmt: skip
PROTOBUF = {
    "topics": "protobuf", "format": "protobuf", "series": "south/{pump}", "time": {"field": "at", "unit": "iso"},
    "values": {"value": "t"},
}  # fmt: skip


@pytest.fixture
def settings(stack: Stack, unique_topics: Settings, schema_registry: RegistryServer) -> Settings:
    """Return settings with two sources, one for each of the two readers of the job."""
    if isinstance(stack, GivenStack):
        pytest.skip("the registry of the tests listens on this machine's loopback")
    found = with_input(unique_topics, AVRO, PROTOBUF)
    registry = found.schema_registry.model_copy(update={"urls": schema_registry.url, "timeout_ms": 1000})
    return found.model_copy(update={"schema_registry": registry})


def avro_of(server: RegistryServer, one: Observation, schema: Any = SCHEMA) -> bytes:
    return avro(server, schema, {"pump": one[0].split("/")[1], "at": one[1], "t": one[2], "extra": 1}, "avro")


def protobuf_of(server: RegistryServer, one: Observation) -> bytes:
    made = make("Reading", pump=one[0].split("/")[1], t=one[2])
    made.at.FromMilliseconds(one[1])
    return protobuf(server, made)


def south(observations: list[Observation]) -> list[Observation]:
    return [(name.replace("north", "south"), ts, value) for name, ts, value in observations]


def test_records_of_confluents_serializers_alert_and_bad_ones_say_why(
    stack: Stack, settings: Settings, schema_registry: RegistryServer
) -> None:
    observations = harness.noise(NAMES, 40, SPIKES)
    with_less = {**SCHEMA, "name": "Later", "fields": [SCHEMA["fields"][0], SCHEMA["fields"][2]]}
    later = registered(schema_registry, "AVRO", str(with_less).replace("'", '"'))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(with_less), {"pump": "p1", "t": 1.0})
    bad = {
        "no-field": framed(later, out.getvalue()),
        "no-schema": framed(987_654, b"\0\0\0"),
        "not-framed": b'{"pump": "p1"}',
        "bad-format": avro_of(schema_registry, observations[0])[:-3],
    }
    good = [(b"k", avro_of(schema_registry, one)) for one in observations]
    send(settings, "avro", [*good[:30], *((b"k", one) for one in bad.values()), *good[30:]])
    send(settings, "protobuf", [(b"k", protobuf_of(schema_registry, one)) for one in observations])
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    harness.run_to_end(stack, settings)
    expected = incidents(harness.offline([model], [*observations, *south(observations)]))
    assert len(expected) == 4
    assert incidents(harness.alerts(settings)) == expected
    found = {headers["reason"]: (headers["detail"], one.value) for headers, one in letters(settings)}
    assert {reason: value for reason, (_, value) in found.items()} == bad
    assert "found no field 'at'; there are 'pump', 't'" in found["no-field"][0]


def test_registry_that_is_away_holds_records_back_and_makes_no_dead_letters(
    stack: Stack, settings: Settings, schema_registry: RegistryServer
) -> None:
    observations = harness.noise(NAMES, 60, {(name, point): 9.0 for name in NAMES for point in (20, 40)})
    half = len(observations) // 2
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    newer = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "extra", "type": "long"}]}
    first = [(b"k", avro_of(schema_registry, one)) for one in observations[:half]]
    second = [(b"k", avro_of(schema_registry, one, newer)) for one in observations[half:]]
    third = [(b"k", protobuf_of(schema_registry, one)) for one in observations]
    with harness.running(stack, settings) as (cluster, number):
        send(settings, "avro", first)
        harness.handled(cluster, number, half)
        schema_registry.freeze()
        try:
            send(settings, "avro", second)
            send(settings, "protobuf", third)
            time.sleep(8)  # several tries
            assert cluster.metrics(number).get("events", 0) == half
        finally:
            schema_registry.thaw()
        expected = incidents(harness.offline([model], [*observations, *south(observations)]))
        assert len(expected) >= 8
        harness.until(lambda: incidents(harness.alerts(settings)) == expected, "all alerts")
        assert cluster.state(number) == "RUNNING"
    assert Counter(headers["reason"] for headers, _ in letters(settings)) == Counter()
