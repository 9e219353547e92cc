"""Checks before a job is submitted, so that a missing topic is one clear line and not a job that restarts for ever."""

from __future__ import annotations

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from eddy.connections import kafka_client
from eddy.errors import StackError
from eddy.flink_job.wire.frames import TOPIC_ROLES
from eddy.settings import Settings

_CONNECT_MS = 10_000


def check(settings: Settings) -> None:
    """Raise unless the broker answers and every topic of the job exists.

    Raises:
        StackError: one line that says what is missing and what to do.
    """
    where = settings.kafka.bootstrap_servers
    try:
        consumer = KafkaConsumer(**{**kafka_client(settings.kafka), "bootstrap_timeout_ms": _CONNECT_MS})
        try:
            present = consumer.topics()
        finally:
            consumer.close()
    except (KafkaError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise StackError(
            f"Kafka does not answer at {where} ({reason}); start it ('eddy up') or set kafka.bootstrap_servers"
        ) from None
    wanted = {role: settings.topics.name(role) for role in ("observations", "models", "feedback", *TOPIC_ROLES)}
    missing = [f"{topic} (topics.{role})" for role, topic in wanted.items() if topic not in present]
    if missing:
        raise StackError(f"Kafka at {where} has no topic {', '.join(missing)}; 'eddy topics create' makes them")
