"""Check a job before it is submitted: a missing topic is one clear line then, not a job that restarts for ever."""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaError

from eddy.connections import kafka_consumer
from eddy.errors import SettingsError, StackError
from eddy.flink_job.sinks.registry import SINKS
from eddy.flink_job.wire.frames import TOPIC_ROLES
from eddy.formats import FORMATS
from eddy.plugins import ClassRegistry
from eddy.settings import Settings

_CONNECT_MS = 10_000


def check(settings: Settings) -> None:
    """Raise unless sinks and format are installed, the broker answers, and every topic of the job exists.

    Raises:
        SettingsError: ``job.sinks`` or ``job.format`` names what is not installed here.
        StackError: one line that says what is missing and what to do.
    """
    for sink in settings.job.sink_names:
        _check_name(SINKS, "job.sinks", sink)
    _check_name(FORMATS, "job.format", settings.job.format)
    where = settings.kafka.bootstrap_servers
    try:
        consumer = kafka_consumer(settings.kafka, bootstrap_timeout_ms=_CONNECT_MS)
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


def _check_name(registry: ClassRegistry[Any], setting: str, found: str) -> None:
    name = found.partition(":")[0]
    if name not in registry:
        known = ", ".join(registry.names())
        raise SettingsError(f"{setting}: no {registry.what} {name!r} is installed here; known: {known}")
