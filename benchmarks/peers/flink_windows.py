"""Fold raw events into intervals of a minute by Flink SQL's ``TUMBLE``, with Eddy's kind of cluster and checkpoints."""

from __future__ import annotations

import sys

from pyflink.common import Configuration
from pyflink.table import StreamTableEnvironment

from benchmarks.measuring.message_forms import TOPIC
from benchmarks.peers.totals import FIRST_ERROR
from eddy.flink_job.graph import environment
from eddy.stack import flink_identity
from eddy.stack.local import Stack
from eddy.stack.paths import home

VALUES = {
    "requests": "COUNT(*) AS requests",
    "requests5": f"COUNT(*) AS requests, COUNT(*) FILTER (WHERE status >= {FIRST_ERROR}) AS errors, "
    "AVG(ms) AS mean_ms, MAX(ms) AS most, COUNT(DISTINCT `user`) AS users",  # it has no percentile
}
COLUMNS = {
    "requests": "requests BIGINT",
    "requests5": "requests BIGINT, errors BIGINT, mean_ms DOUBLE, most DOUBLE, users BIGINT",
}


def submitted(form: str, results: str, stack: Stack) -> str:
    """Submit the statement, which reads the topic to its end; return the job's ID."""
    table = StreamTableEnvironment.create(_environment(stack))
    table.get_config().set_local_timezone("UTC")
    kafka = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{stack.kafka_address}', 'format' = 'json'"
    table.execute_sql(f"""
        CREATE TABLE events (host STRING, `at` BIGINT, status INT, ms DOUBLE, `user` STRING,
            t AS TO_TIMESTAMP_LTZ(`at` * 1000, 3), WATERMARK FOR t AS t - INTERVAL '10' SECOND)
        WITH ({kafka}, 'topic' = '{TOPIC}', 'scan.startup.mode' = 'earliest-offset',
            'scan.bounded.mode' = 'latest-offset')""")
    table.execute_sql(
        f"CREATE TABLE results (host STRING, w TIMESTAMP(3), {COLUMNS[form]}) WITH ({kafka}, 'topic' = '{results}')"
    )
    found = table.execute_sql(f"""
        INSERT INTO results SELECT host, window_start, {VALUES[form]}
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY host, window_start, window_end""")  # noqa: S608  nothing in it is from outside
    return str(found.get_job_client().get_job_id())


def _environment(stack: Stack) -> environment.StreamExecutionEnvironment:
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
    return env
