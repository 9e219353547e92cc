"""Create the Kafka topics that Eddy uses when the stack comes up; check them for ``eddy doctor``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from eddy.connections import kafka_admin
from eddy.errors import StackError
from eddy.settings import KafkaSettings, Settings
from eddy.stack.process import wait_until

REPLICATION = 1  # one broker
_DAY_MS = 86_400_000
_KEPT_ALERTS = {"retention.ms": str(400 * _DAY_MS)}  # a year, to compare a season with the one before
_KEPT_FOR_GOOD = {"retention.ms": "-1", "retention.bytes": "-1"}  # what people said: small, and nobody says it again


@dataclass(frozen=True)
class Topic:
    """Describe a topic that Eddy needs."""

    role: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)


def expected(settings: Settings) -> list[Topic]:
    """Return all topics that Eddy needs, by role."""
    largest = {"max.message.bytes": str(settings.kafka.max_message_bytes)}
    wide = settings.stack.partitions  # topics that carry something for every observation
    return [
        Topic("observations", wide),
        Topic("scores", wide),
        Topic("alerts", 1, _KEPT_ALERTS),
        Topic("dlq", 1, largest),
        Topic("labels", 1, _KEPT_FOR_GOOD),
        Topic("events", 1),
        Topic("feedback", 1, _KEPT_FOR_GOOD),
        Topic("drift", 1),
        Topic("shadow", 1),
        Topic("figures", 1),
        Topic("sources", 1),
        Topic("training", 1),
        Topic("trainer", 1, {"cleanup.policy": "compact"}),
        Topic("models", 1, {"cleanup.policy": "compact", **largest}),
    ]


def create_missing(
    settings: Settings, bootstrap_servers: str, deadline: float, replication: int = REPLICATION
) -> list[str]:
    """Create the topics that do not exist yet; wait for the broker until the deadline.

    Args:
        settings: names, partitions and sizes.
        bootstrap_servers: the broker to create them on.
        deadline: on the ``time.monotonic`` clock.
        replication: copies of each partition.

    Returns:
        The names created.
    """
    connection = settings.kafka.model_copy(update={"bootstrap_servers": bootstrap_servers})
    while True:
        try:
            admin = admin_client(connection)
            try:
                present = set(admin.list_topics())
                missing = {
                    settings.topics.name(topic.role): {
                        "num_partitions": topic.partitions,
                        "replication_factor": replication,
                        "configs": topic.configs,
                    }
                    for topic in expected(settings)
                    if settings.topics.name(topic.role) not in present
                }
                if missing:
                    admin.create_topics(missing, wait_for_metadata=True)
                return list(missing)
            finally:
                admin.close()
        except KafkaError as error:  # it accepts connections a moment before it serves
            if not wait_until(deadline):
                raise StackError(f"Kafka at {bootstrap_servers} did not create the topics: {error}") from None


def problems(settings: Settings) -> list[str]:
    """Return the problems of the topics on the broker that the clients use; empty if there are none.

    Raises:
        KafkaError: the broker does not answer.
    """
    admin = admin_client(settings.kafka)
    try:
        present = set(admin.list_topics())
        found = [f"topic {name} is missing" for name in _names(settings) if name not in present]
        models = settings.topics.name("models")
        if models in present:
            policy = _config(admin, models, "cleanup.policy")
            if "compact" not in policy:
                found.append(f"topic {models} has cleanup.policy={policy}, expected compact")
        observations = settings.topics.name("observations")
        if observations in present:
            partitions = len(admin.describe_topics([observations])[0]["partitions"])
            if partitions < settings.job.parallelism:
                found.append(f"topic {observations} has {partitions} partitions, fewer than job.parallelism")
        return found
    finally:
        admin.close()


def admin_client(settings: KafkaSettings) -> Any:
    """Return a Kafka admin client."""
    return kafka_admin(settings)


def _names(settings: Settings) -> list[str]:
    return [settings.topics.name(topic.role) for topic in expected(settings)]


def _config(admin: Any, topic: str, key: str) -> str:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {key: None})
    answer = admin.describe_configs([resource], config_filter="all")
    return str(answer["topic"][topic][key]["value"])
