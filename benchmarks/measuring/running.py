"""Starting the job for a measurement."""

from __future__ import annotations

from kafka.admin import KafkaAdminClient

from eddy.configuration import Configuration
from eddy.connections import kafka_client
from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.ops.job_targets import submit_locally
from eddy.settings import Settings

START_SECONDS = 240.0


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
    """Settings with an alerts topic of its own, whose messages the broker stamps: one clock for every system."""
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
