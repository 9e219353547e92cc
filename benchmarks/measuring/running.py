"""Run the job for a measurement, and choose the median of several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kafka.admin import KafkaAdminClient

from eddy.configuration import Configuration
from eddy.connections import kafka_client
from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.ops.job_targets import submit_locally
from eddy.settings import Settings

START_SECONDS = 240.0
Figures = dict[str, Any]


def submitted(configuration: Configuration, cluster: Cluster) -> str:
    """Submit the job and wait until it runs, longer than ``eddy job submit`` does: a checkout's first job compiles."""
    try:
        return submit_locally(configuration)
    except StackError:
        job = cluster.running(configuration.settings.job.name)
        if job is None:
            raise
        cluster.wait(job.id, seconds=START_SECONDS)
        return job.id


def own_topic(settings: Settings, suffix: str) -> Settings:
    """Return settings with an alerts topic of its own, whose messages the broker stamps: one clock for every system."""
    topic = f"{settings.topics.name('alerts')}.{suffix}"
    admin = KafkaAdminClient(**kafka_client(settings.kafka))
    try:
        config = {"message.timestamp.type": "LogAppendTime"}
        admin.create_topics(
            {topic: {"num_partitions": 1, "replication_factor": 1, "configs": config}}, wait_for_metadata=True
        )
    finally:
        admin.close()
    return settings.model_copy(update={"topics": settings.topics.model_copy(update={"alerts": topic})})


def typical(runs: Sequence[Figures], by: Callable[[Figures], float]) -> Figures:
    """Choose the median run (of an even number, the lower one) by a figure, and add the rates of all runs.

    Several rounds are measured because other work on a shared machine does not affect all of them alike.

    Args:
        runs: at least one, each with ``events_per_second``.
        by: the figure by which they are ordered.
    """
    middle = sorted(runs, key=by)[(len(runs) - 1) // 2]
    if len(runs) == 1:
        return middle
    return middle | {"rounds_events_per_second": [one["events_per_second"] for one in runs]}
