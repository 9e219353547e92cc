from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.partitioner.default import murmur2

from eddy.configuration import as_environment
from eddy.connections import kafka_client
from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError, StackError
from eddy.observation import Observations
from eddy.producers import transport
from eddy.producers.labels import Label
from eddy.producers.pace import Pace
from eddy.producers.sender import send, send_labels
from eddy.producers.source import Blocks, Sync
from eddy.producers.synthetic import SyntheticSource, generate_small
from eddy.producers.transport import Client, librdkafka_options
from eddy.settings import KafkaSettings, Settings
from eddy.stack.local import Stack

CLIENTS: tuple[Client, ...] = ("kafka-python", "librdkafka")
NOWHERE = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))


class Given:
    """A source of given blocks; an error among them is raised."""

    def __init__(self, *blocks: Observations | Exception) -> None:
        self.skipped = Skipped()
        self.given = blocks

    @property
    def total(self) -> int | None:
        return None

    def blocks(self) -> Blocks:
        for block in self.given:
            if isinstance(block, Exception):
                raise block
            yield block


def block(count: int, series: int = 3, names: list[str] | None = None, step_ms: int = 1000) -> Observations:
    names = names or [f"s{i}" for i in range(series)]
    number = np.arange(count)
    return Observations(
        names, (number % len(names)).astype(np.int32), 1_700_000_000_000 + number * step_ms, number[:, None] * 1.0
    )


def records(settings: Settings, role: str = "observations") -> list[Any]:
    """Everything in a topic, by partition."""
    topic = settings.topics.name(role)
    consumer = KafkaConsumer(**kafka_client(settings.kafka), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        left = sum(consumer.end_offsets(partitions).values())
        found: list[Any] = []
        deadline = time.monotonic() + 60
        while len(found) < left and time.monotonic() < deadline:
            found += [record for batch in consumer.poll(timeout_ms=500).values() for record in batch]
        return found
    finally:
        consumer.close()


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS)
def test_all_events_arrive_in_order_in_the_partitions_java_would_choose(
    unique_topics: Settings, client: Client
) -> None:
    stream = generate_small()
    report = send(SyntheticSource(stream), unique_topics, Pace(), client=client)
    found = records(unique_topics)
    assert report.client == client
    assert report.delivered == report.events == len(found) == len(stream.live)
    assert report.series == len(stream.names)
    assert (report.first_ts, report.last_ts) == (stream.live.ts[0], stream.live.ts[-1])
    assert report.bytes == sum(len(r.key) + len(r.value) for r in found)
    assert report.failed == {}
    partitions = unique_topics.stack.partitions
    by_series: dict[str, list[tuple[int, float]]] = {name: [] for name in stream.names}
    now = time.time() * 1000
    for record in found:
        read = json.loads(record.value)
        assert read["series"].encode() == record.key
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % partitions
        assert abs(record.timestamp - now) < 600_000  # when it was sent, not event time: brokers delete by it
        by_series[read["series"]].append((read["ts"], read["value"]))
    for name in stream.names:
        live = stream.live_series(name)
        assert by_series[name] == list(zip(live.ts.tolist(), live.values.tolist(), strict=True))


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS)
def test_both_clients_choose_the_same_partition_for_non_ascii_ids(unique_topics: Settings, client: Client) -> None:
    names = ["a", "Zürich-1", "東京", "🙂", "x" * 300, 'quote"\\']
    send(Given(block(60, names=names)), unique_topics, Pace(), client=client)
    for record in records(unique_topics):
        assert json.loads(record.value)["series"].encode() == record.key
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % unique_topics.stack.partitions


@pytest.mark.stack
def test_event_time_pace_slows_sending(unique_topics: Settings) -> None:
    report = send(Given(block(11, step_ms=100)), unique_topics, Pace(speed=2))
    assert report.client == "kafka-python"
    assert report.events == 11
    assert 0.5 <= report.seconds < 10


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS)
def test_message_refused_by_the_broker_is_reported(unique_topics: Settings, client: Client) -> None:
    topic = "small-" + unique_topics.topics.prefix
    admin = KafkaAdminClient(**kafka_client(unique_topics.kafka))
    config = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "200"}}
    admin.create_topics({topic: config}, wait_for_metadata=True)
    admin.close()
    topics = unique_topics.topics.model_copy(update={"observations": topic})
    settings = unique_topics.model_copy(update={"topics": topics})
    wide = Observations(
        ["s"], np.zeros(1, np.int32), np.ones(1, np.int64), np.ones((1, 50)), tuple(f"feature-{i}" for i in range(50))
    )
    report = send(Given(wide), settings, Pace(), client=client)
    assert sum(report.failed.values()) == 1
    assert report.delivered == 0
    assert records(settings) == []


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS)
def test_oversized_message_is_refused_and_the_others_are_sent(unique_topics: Settings, client: Client) -> None:
    small = unique_topics.kafka.model_copy(update={"max_message_bytes": 2048})
    settings = unique_topics.model_copy(update={"kafka": small})
    features = tuple(f"feature-{i}" for i in range(200))
    wide = Observations(["s"], np.zeros(1, np.int32), np.ones(1, np.int64), np.ones((1, 200)), features)
    report = send(Given(wide, block(5)), settings, Pace(), client=client)
    assert sum(report.failed.values()) == 1
    assert report.delivered == len(records(settings)) == 5


class BrokerStopsBetween(Given):
    """Once the first block has arrived, the broker's process stands still; ``then`` runs before the last block."""

    def __init__(self, stack: Stack, before: Observations, after: Observations) -> None:
        super().__init__(before, after)
        self.pid = next(state.pid for state in stack.status() if state.name == "kafka")

    def blocks(self) -> Blocks:
        before, after = self.given
        assert isinstance(before, Observations)
        assert isinstance(after, Observations)
        yield before
        yield Sync.DELIVER
        assert self.pid
        os.kill(self.pid, signal.SIGSTOP)
        yield after

    def resume(self) -> None:
        assert self.pid
        os.kill(self.pid, signal.SIGCONT)


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS)
def test_undeliverable_messages_end_the_run_and_are_reported(
    stack: Stack, unique_topics: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "DELIVERY_SECONDS", 2.0)
    kafka = unique_topics.kafka.model_copy(update={"request_timeout_ms": 1000})
    source = BrokerStopsBetween(stack, block(7), block(5))
    try:
        report = send(source, unique_topics.model_copy(update={"kafka": kafka}), Pace(), client=client)
    finally:
        source.resume()
    assert sum(report.failed.values()) == 5
    assert report.delivered == 7


@pytest.mark.stack
@pytest.mark.parametrize("client", CLIENTS)
def test_short_broker_outage_loses_nothing(stack: Stack, unique_topics: Settings, client: Client) -> None:
    kafka = unique_topics.kafka.model_copy(update={"request_timeout_ms": 1000})  # so that requests are sent again
    source = BrokerStopsBetween(stack, block(7), block(500))
    timer = threading.Timer(2.5, source.resume)
    timer.start()
    try:
        report = send(source, unique_topics.model_copy(update={"kafka": kafka}), Pace(), client=client)
    finally:
        timer.join()
    assert report.failed == {}
    found = records(unique_topics)
    assert len(found) == report.delivered == 507
    for name in ("s0", "s1", "s2"):
        values = [json.loads(record.value)["value"] for record in found if record.key == name.encode()]
        assert values[len(values) - len(set(values)) :] == sorted(set(values))  # in order, once


@pytest.mark.stack
def test_source_error_is_raised_after_earlier_events_are_delivered(unique_topics: Settings) -> None:
    with pytest.raises(DataError, match="line 9 is bad; 7 events were sent before"):
        send(Given(block(7), DataError("line 9 is bad")), unique_topics, Pace())
    assert len(records(unique_topics)) == 7


@pytest.mark.stack
def test_missing_topic_is_a_one_line_error(unique_topics: Settings) -> None:
    topics = unique_topics.topics.model_copy(update={"observations": "not-there"})
    with pytest.raises(StackError, match=r"has no topic 'not-there'; 'eddy up' creates it") as caught:
        send(Given(block(1)), unique_topics.model_copy(update={"topics": topics}), Pace())
    assert "\n" not in str(caught.value)


def test_unreachable_broker_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.5)
    with pytest.raises(StackError, match=r"Kafka at 127\.0\.0\.1:1 does not answer.*'eddy up'") as caught:
        send(Given(block(1)), NOWHERE, Pace())
    assert "\n" not in str(caught.value)


@pytest.mark.stack
def test_labels_go_to_their_own_topic(unique_topics: Settings) -> None:
    labels = [Label("a", 1, 2, "spike"), Label("b", 3, 4, "drop")]
    send_labels(labels, unique_topics)
    found = records(unique_topics, "labels")
    assert Counter(record.key for record in found) == Counter([b"a", b"b"])
    assert json.loads(found[0].value)["kind"] == "spike"
    assert records(unique_topics) == []


def test_security_settings_reach_librdkafka() -> None:
    options = librdkafka_options(
        KafkaSettings(
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="me",
            sasl_password="secret",  # noqa: S106
            ssl_cafile="ca.pem",
            ssl_check_hostname=False,
        )
    )
    assert options["security.protocol"] == "SASL_SSL"
    assert options["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl.username"], options["sasl.password"]) == ("me", "secret")
    assert options["ssl.ca.location"] == "ca.pem"
    assert options["ssl.endpoint.identification.algorithm"] == "none"
    assert "ssl.key.location" not in options
    assert "sasl.mechanism" not in librdkafka_options(KafkaSettings())


COMMAND = [sys.executable, "-c", "from eddy.cli.main import main; main()", "produce"]


def environment(settings: Settings) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EDDY_")}
    return inherited | as_environment(settings)


def eddy(settings: Settings, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=120, check=False)


def nab_file(folder: Path, count: int = 5) -> Path:
    path = folder / "taxi.csv"
    rows = "".join(f"2024-01-01 00:{i // 60:02d}:{i % 60:02d},{i}\n" for i in range(count))
    path.write_text("timestamp,value\n" + rows)
    return path


@pytest.mark.stack
def test_produce_command_sends_and_reports(unique_topics: Settings, tmp_path: Path) -> None:
    done = eddy(unique_topics, "taxi", "--data", nab_file(tmp_path), "--start-offset", 2, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["delivered"] == report["events"] == 3
    assert report["series"] == 1
    assert [json.loads(r.value)["value"] for r in records(unique_topics)] == [2.0, 3.0, 4.0]


@pytest.mark.stack
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_command_and_all_counted_events_have_arrived(
    unique_topics: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    command = [*COMMAND, "taxi", "--data", str(nab_file(tmp_path, 60)), "--loop", "--speed", "500", "--json"]
    process = subprocess.Popen(
        command, env=environment(unique_topics), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not records(unique_topics):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, error
    report = json.loads(out)
    assert report["stopped"]
    assert report["failed"] == {}
    found = [json.loads(record.value)["ts"] for record in records(unique_topics)]
    assert report["events"] == len(found)
    assert len(set(found)) == len(found)  # looping moved event time on
    assert found == sorted(found)


@pytest.mark.stack
def test_synthetic_command_sends_the_stream_and_writes_its_labels(unique_topics: Settings, tmp_path: Path) -> None:
    labels, train = tmp_path / "labels.json", tmp_path / "train.csv"
    done = eddy(unique_topics, "synthetic", "--small", "--speed", "max", "--labels", labels, "--train-file", train)
    assert done.returncode == 0, done.stderr
    stream = generate_small()
    assert len(records(unique_topics)) == len(stream.live)
    assert len(records(unique_topics, "labels")) == len(stream.labels) == len(json.loads(labels.read_text())["labels"])
    assert sum(1 for _ in train.open()) == 1 + sum(len(s.ts) for s in stream.train.values())


@pytest.mark.stack
def test_wait_for_app_times_out_naming_what_was_found(unique_topics: Settings, tmp_path: Path) -> None:
    stack = unique_topics.stack.model_copy(update={"wait_seconds": 1.0})
    settings = unique_topics.model_copy(update={"stack": stack})
    done = eddy(settings, "taxi", "--data", nab_file(tmp_path), "--wait-for-app")
    assert done.returncode == 2
    assert "is not running after 1 s: Flink runs no such job" in done.stderr
    assert records(unique_topics) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("taxi", "--data", "nope.csv"), "nope.csv: is not a file"),
        (("csv", "x.csv", "--order", "random"), "--order random: expected time or file"),
        (("csv", "x.csv", "--speed", "fast"), "--speed fast: expected 'max'"),
        (("folder", "nope"), "nope: is not a folder"),
        (("csv", "x.csv", "--client", "carrier-pigeon"), "--client carrier-pigeon: expected"),
        (("market", "--days", "3", "--clean-days", "3"), "--clean-days 3: expected less than"),
        (("synthetic", "--part", "some"), "--part some: expected live"),
    ],
)
def test_wrong_option_is_one_line_and_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    done = eddy(NOWHERE, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("eddy: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
