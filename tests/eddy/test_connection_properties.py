"""Check ``kafka.properties``: the table of names against the clients themselves, refusals, and where values go."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, KafkaProducer

from eddy import connection_properties
from eddy.configuration import as_text, load
from eddy.connection_properties import checked, for_client, for_kafka_python
from eddy.connections import kafka_client, librdkafka_client
from eddy.errors import SettingsError
from eddy.flink_job.graph import kafka_properties
from eddy.settings import KafkaSettings
from eddy.stack.jars import flink_home, flink_jars
from eddy.stack.paths import ROOT

TABLE = connection_properties._TAKEN_BY
PROGRAM = """
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.ProducerConfig;

public class Names {
    public static void main(String[] arguments) {
        System.out.println(String.join(" ", ConsumerConfig.configNames()));
        System.out.println(String.join(" ", ProducerConfig.configNames()));
    }
}
"""


def test_java_takes_what_the_table_says_and_every_name_is_known_or_refused(tmp_path: Path) -> None:
    program = tmp_path / "Names.java"
    program.write_text(PROGRAM)
    jars = ":".join(map(str, [*(flink_home() / "lib").glob("*.jar"), *flink_jars()]))
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", jars, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    consumer, producer = (set(line.split()) for line in done.stdout.splitlines())
    own = {"client.id"}  # Flink's source sets it
    assert {name for name, letters in TABLE.items() if "C" in letters} == (consumer & set(TABLE)) - own
    assert {name for name, letters in TABLE.items() if "P" in letters} == producer & set(TABLE)
    unknown = {name for name in consumer | producer if name not in TABLE and not refused(name)}
    internal = {name for name in unknown if name.startswith(("internal.", "share."))}
    assert unknown == internal


def refused(name: str) -> bool:
    return any(name.startswith(beginning) for beginning in connection_properties._REFUSED)


@pytest.mark.parametrize("name", TABLE)
def test_librdkafka_takes_what_the_table_says(name: str) -> None:
    """A value that none takes: an unknown name is told apart from a wrong value."""
    own = connection_properties._LIBRDKAFKA_NAMES.get(name, name)
    for letter, kind, more in (("c", Consumer, {"group.id": "g"}), ("p", Producer, {})):
        try:
            kind({own: "", **more}, logger=None)
            known = True
        except KafkaException as error:
            known = "No such configuration property" not in str(error)
        if letter in TABLE[name]:
            assert known, (name, letter)
    if TABLE[name].isupper() and name != "delivery.timeout.ms":  # Eddy sets librdkafka's
        assert not known, f"{name}: librdkafka takes it"


def test_every_refusal_says_why_and_shows_no_value() -> None:
    for beginning, reason in connection_properties._REFUSED.items():
        with pytest.raises(ValueError, match="cannot be set here") as caught:
            checked({beginning: "geheim"})
        assert reason in str(caught.value)
    for text in (
        '{"sasl.password": "geheim"}',
        '{"ssl.key.pem": "geheim"}',
        '{"sasl.jaas.config": "geheim"}',
        "geheim",
    ):
        with pytest.raises(SettingsError, match=r"kafka\.properties") as refusal:
            load([f"kafka.properties={text}"], environ={})
        assert "geheim" not in str(refusal.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fetch.min.byte": 1}, "did you mean 'fetch.min.bytes'"),
        ({"client.id": "${eddy:HOME}"}, "without"),
        ({"client.id": "a\nb"}, "printable"),
        ({"client.id": ["a"]}, "expected a number"),
        ({"client.id": None}, "expected a number"),
        ({"receive.buffer.bytes": 1, "socket.receive.buffer.bytes": 2}, "expected one of them"),
        ([1], "expected names"),
    ],
)
def test_wrong_names_and_values_are_refused(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(wrong)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.none())))
def test_any_mapping_is_taken_or_refused(found: dict[str, object]) -> None:
    try:
        assert set(checked(found)) <= set(TABLE)
    except ValueError as error:
        one_line(error)


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)


GIVEN = {
    "socket.receive.buffer.bytes": 65536,
    "fetch.max.wait.ms": 250,
    "compression.type": "lz4",
    "debug": "broker",
    "sasl.login.refresh.window.factor": 0.6,
    "check.crcs": False,
    "ssl.cipher.suites": "TLS_AES_128_GCM_SHA256",
}


def test_each_client_gets_what_it_takes_under_its_own_name() -> None:
    loaded = load([f"kafka.properties={as_text(GIVEN)}", "kafka.client_rack=zone-a"], environ={}).settings
    java_consumer, java_producer = kafka_properties.consumer(loaded), kafka_properties.producer(loaded)
    assert java_consumer["receive.buffer.bytes"] == "65536"
    assert java_consumer["fetch.max.wait.ms"] == "250"
    assert java_consumer["sasl.login.refresh.window.factor"] == "0.6"
    assert "compression.type" not in java_consumer
    assert java_producer["compression.type"] == "lz4"
    assert "debug" not in java_producer
    assert java_consumer["isolation.level"] == "read_committed"
    reads = librdkafka_client(loaded.kafka, "librdkafka-consumer")
    assert (reads["socket.receive.buffer.bytes"], reads["fetch.wait.max.ms"], reads["debug"]) == (
        "65536",
        "250",
        "broker",
    )
    assert "compression.type" not in reads
    assert librdkafka_client(loaded.kafka, "librdkafka-producer")["compression.type"] == "lz4"
    python = kafka_client(loaded.kafka, KafkaConsumer)
    assert (python["receive_buffer_bytes"], python["fetch_max_wait_ms"], python["check_crcs"]) == (65536, 250, False)
    assert python["ssl_ciphers"] == "TLS_AES_128_GCM_SHA256"
    assert "compression_type" not in python
    assert kafka_client(loaded.kafka, KafkaProducer)["compression_type"] == "lz4"
    racks = (java_consumer["client.rack"], reads["client.rack"], python["client_rack"])
    assert set(racks) == {"zone-a"}


def test_nothing_is_set_that_was_not_given() -> None:
    plain = KafkaSettings()
    assert for_client(plain.properties, "java-consumer") == {}
    assert "client.rack" not in kafka_properties.security(plain) | librdkafka_client(plain)
    assert "client_rack" not in kafka_client(plain, KafkaConsumer)


def test_a_text_where_kafka_python_wants_a_number_is_named() -> None:
    with pytest.raises(ValueError, match=r"kafka\.properties: fetch\.min\.bytes: found 'many', expected a number"):
        for_kafka_python({"fetch.min.bytes": "many"}, KafkaConsumer.DEFAULT_CONFIG)


def test_the_documentation_has_the_table() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    found = text.partition("<!-- properties: begin -->")[2].partition("<!-- properties: end -->")[0]
    rows = [f"| `{name}` | {clients} |" for name, clients in connection_properties.table()]
    assert found.strip().splitlines()[2:] == rows, "print(connection_properties.table()) has what it should be"
