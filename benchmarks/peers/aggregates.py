"""Race raw events into intervals of a minute: Eddy, which also judges them, beside Flink SQL's ``TUMBLE``.

Run: ``python -m benchmarks.peers.aggregates --form requests5 --events 3000000``. Both run one after the other on the
same kind of cluster, over the same bytes, with the same checkpoints. Eddy's rate is that of its event counter; Flink
SQL's that at which the broker appends the results of windows. Both leave out the first 20 % and the last 5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from pyflink.common import Configuration
from pyflink.table import StreamTableEnvironment

from benchmarks.job import pipeline
from benchmarks.measuring.message_forms import TOPIC
from benchmarks.measuring.message_forms import settings as form_settings
from benchmarks.measuring.workload import START, STEP_MS, Workload
from eddy.configuration import load
from eddy.connections import kafka_admin, kafka_client
from eddy.flink_job.client.cluster import Cluster
from eddy.flink_job.graph import environment
from eddy.settings import Settings
from eddy.stack import flink_identity
from eddy.stack.local import Stack, isolated
from eddy.stack.paths import home

MINUTE = 60_000
RESULTS = "bench.intervals"
VALUES = {
    "requests": "COUNT(*) AS requests",
    "requests5": "COUNT(*) AS requests, COUNT(*) FILTER (WHERE status >= 500) AS errors, AVG(ms) AS mean_ms, "
    "MAX(ms) AS most, COUNT(DISTINCT `user`) AS users",  # it has no percentile
}


def flink_sql(work: Workload, overrides: list[str]) -> dict[str, Any]:
    """Run ``TUMBLE`` over the topic; return its rate."""
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(
            load(["stack.dashboard=false", *form_settings(work.form), *overrides]).settings, Path(folder)
        )
        with Stack(settings, owned=True) as stack:
            work.fill(stack.settings)
            admin = kafka_admin(stack.settings.kafka)
            config = {"message.timestamp.type": "LogAppendTime"}
            admin.create_topics({RESULTS: {"num_partitions": 1, "replication_factor": 1, "configs": config}})
            admin.close()
            job = _submitted(work, stack)
            Cluster(stack.flink_address).wait(job, "FINISHED", seconds=600)
            return {"events_per_second": _rate(work, stack.settings)}


def _submitted(work: Workload, stack: Stack) -> str:
    host, port = stack.flink_address.split(":")
    extra = Configuration()
    identity = stack.flink_address.identity
    tls = flink_identity.options(identity, internal=False) if identity else {}
    tls = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in tls.items()}
    for key, value in {"execution.target": "remote", "rest.address": host, "rest.port": port, **tls}.items():
        extra.set_string(key, value)
    connector = sorted((home() / "jars" / "flink").glob("flink-sql-connector-kafka-*.jar"))
    env = environment.create(stack.settings.job, connector, sys.executable)
    env.configure(extra)
    table = StreamTableEnvironment.create(env)
    kafka = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{stack.kafka_address}', 'format' = 'json'"
    table.execute_sql(f"""
        CREATE TABLE events (host STRING, `at` BIGINT, status INT, ms DOUBLE, `user` STRING,
            t AS TO_TIMESTAMP_LTZ(`at` * 1000, 3), WATERMARK FOR t AS t - INTERVAL '10' SECOND)
        WITH ({kafka}, 'topic' = '{TOPIC}', 'scan.startup.mode' = 'earliest-offset',
            'scan.bounded.mode' = 'latest-offset')""")
    columns = "requests BIGINT"
    if work.form == "requests5":
        columns += ", errors BIGINT, mean_ms DOUBLE, most DOUBLE, users BIGINT"
    table.execute_sql(
        f"CREATE TABLE results (host STRING, w TIMESTAMP(3), {columns}) WITH ({kafka}, 'topic' = '{RESULTS}')"
    )
    found = table.execute_sql(f"""
        INSERT INTO results SELECT host, window_start, {VALUES[work.form]}
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY host, window_start, window_end""")  # noqa: S608  nothing in it is from outside
    return str(found.get_job_client().get_job_id())


def _rate(work: Workload, settings: Settings) -> int:
    """Return events a second, by the times at which windows were appended."""
    consumer = KafkaConsumer(**kafka_client(settings.kafka), enable_auto_commit=False)
    partition = TopicPartition(RESULTS, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    consumer.seek_to_beginning(partition)
    seen: dict[str, int] = {}
    until = time.monotonic() + 120
    while consumer.position(partition) < end and time.monotonic() < until:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                seen[json.loads(record.value)["w"]] = record.timestamp
    consumer.close()
    windows = np.arange(1, len(seen) + 1) * (MINUTE // STEP_MS) * work.series
    times = np.array([seen[one] for one in sorted(seen)])
    share = windows / work.events
    steady = (share >= pipeline.STEADY[0]) & (share <= pipeline.STEADY[1])
    first, last = np.flatnonzero(steady)[[0, -1]]
    return round(float(windows[last] - windows[first]) / float(times[last] - times[first]) * 1000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--form", choices=list(VALUES), default="requests")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    assert START % MINUTE == 0
    work = Workload("Z", options.events, options.series, form=options.form)
    for _ in range(options.rounds):
        eddy = pipeline.run(work, options.set)
        print(
            json.dumps({"eddy": {k: eddy[k] for k in ("events_per_second", "cpu_us_per_event", "peak_rss_mb")}}),
            flush=True,
        )
        print(json.dumps({"flink-sql": flink_sql(work, options.set)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
