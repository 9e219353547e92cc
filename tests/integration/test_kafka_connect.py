"""Check the whole way of a row: PostgreSQL, Debezium in a worker of Kafka Connect, a topic, the job, an alert."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from eddy.settings import Settings
from eddy.stack.java import QUICK
from eddy.stack.local import Stack
from eddy.stack.ports import free_ports
from tests.integration import debezium, harness
from tests.integration.test_input import incidents, letters, with_input

pytestmark = [pytest.mark.stack, pytest.mark.own_stack("the worker reaches the broker by the address of this machine")]

SOURCE: dict[str, Any] = {
    "topics": "public.readings", "format": "debezium", "series": "{pump}", "time": {"field": "at", "unit": "us"},
    "values": {"value": "t"},
}  # fmt: skip


@contextmanager
def connect_worker(settings: Settings, database: debezium.Database, place: Path) -> Iterator[Path]:
    """Run a worker with one connector, which follows the table; gives the worker's log."""
    debezium.fetch()
    (port,) = free_ports(1)
    converter = "org.apache.kafka.connect.json.JsonConverter"
    worker = {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "key.converter": converter,
        "value.converter": converter,
        "offset.storage.file.filename": place / "offsets",
        "offset.flush.interval.ms": 1000,
        "listeners": f"http://127.0.0.1:{port}",
    }
    connector = {
        "name": "readings",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1",
        "database.port": database.port,
        "database.user": debezium.USER,
        "database.dbname": debezium.USER,
        "topic.prefix": settings.topics.prefix,
        "plugin.name": "pgoutput",
        "table.include.list": "public.readings",
    }
    files = []
    for name, properties in (("worker", worker), ("connector", connector)):
        files.append(place / f"{name}.properties")
        files[-1].write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    command = ["java", *QUICK, "-Xmx384m", "-cp", f"{debezium.folder()}/*"]
    command += ["org.apache.kafka.connect.cli.ConnectStandalone", *map(str, files)]
    with (place / "connect.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield place / "connect.log"
        finally:
            process.kill()
            process.wait()


def test_row_of_a_database_alerts_by_kafka_connect(
    stack: Stack, unique_topics: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("connect")
    settings = with_input(unique_topics, SOURCE)
    rows = harness.noise(["p7"], 40, {("p7", 30): 9.0})
    model = harness.model(limit=2.8)
    harness.publish(settings, model)
    with debezium.postgres(place) as database:
        database.run("create table readings (pump text, at timestamp, t double precision)")
        values = [f"('{name}', to_timestamp({ts} / 1000.0) at time zone 'UTC', {value!r})" for name, ts, value in rows]
        database.run(f"insert into readings values {', '.join(values[:20])}")  # noqa: S608  a snapshot has these
        with connect_worker(settings, database, place) as log, harness.running(stack, settings) as (cluster, number):
            try:
                harness.handled(cluster, number, 20)
                database.run(f"insert into readings values {', '.join(values[20:])}")  # noqa: S608  and these come live
                harness.handled(cluster, number, 40)
            except AssertionError as error:
                raise AssertionError(log.read_text()[-3000:]) from error
            expected = incidents(harness.offline([model], rows))
            assert len(expected) == 1
            harness.until(lambda: incidents(harness.alerts(settings)) == expected, "the alert")
    assert letters(settings) == []
