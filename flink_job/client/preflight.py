"""Check a job before it is submitted: a missing topic is one clear line then, not a job that restarts for ever."""

from __future__ import annotations

import logging
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from eddy.connections import kafka_admin, kafka_consumer
from eddy.errors import SettingsError, StackError
from eddy.flink_job.sinks.registry import SINKS
from eddy.flink_job.wire.frames import TOPIC_ROLES
from eddy.formats import FORMATS
from eddy.inputs.clusters import Cluster, clusters
from eddy.inputs.readers import own_topics
from eddy.plugins import ClassRegistry
from eddy.settings import KafkaSettings, Settings

_CONNECT_MS = 10_000
_LIMIT = "transaction.max.timeout.ms"

log = logging.getLogger(__name__)


def check(settings: Settings) -> None:
    """Raise unless sinks and format are installed, the broker answers, and every topic of the job exists.

    Raises:
        SettingsError: ``job.sinks`` or ``job.format`` names what is not installed here, or ``learning.cold_start`` what
            cannot start so, or a source of ``input`` cannot be read.
        StackError: one line that says what is missing and what to do.
    """
    if settings.input and settings.job.format != "json":
        raise SettingsError(
            f"job.format: found {settings.job.format!r} with input sources, expected json: name the format in a "
            "source, input: [{topics: …, format: …}]"
        )
    for sink in settings.job.sink_names:
        _check_name(SINKS, "job.sinks", sink)
    _check_name(FORMATS, "job.format", settings.job.format)
    if settings.learning.cold_start:
        from eddy.models.engine.cold_start import cold_model  # noqa: PLC0415  its kernels take a second to import

        cold_model(settings.learning.cold_start, settings.learning.warmup_points)
    where = settings.kafka.bootstrap_servers
    present = _topics(settings.kafka, "kafka.bootstrap_servers")
    wanted = {role: settings.topics.name(role) for role in ("observations", "models", "feedback", *TOPIC_ROLES)}
    missing = [f"{topic} (topics.{role})" for role, topic in wanted.items() if topic not in present]
    if missing:
        raise StackError(f"Kafka at {where} has no topic {', '.join(missing)}; 'eddy topics create' makes them")
    for cluster in clusters(settings):
        _check_sources(settings, cluster, present)


def with_transaction_timeout(settings: Settings) -> Settings:
    """Have an exactly-once job use the longest transactions that the broker allows, unless it says how long.

    Raises:
        SettingsError: it says longer than the broker allows; the job could not write then.
    """
    job = settings.job
    if job.delivery != "exactly-once":
        return settings
    limit = _longest_transaction_ms(settings)
    if limit and job.transaction_timeout_ms > limit:
        found = f"job.transaction_timeout_ms: found {job.transaction_timeout_ms}"
        raise SettingsError(f"{found}, expected at most {limit}, the broker's {_LIMIT}; 0 = as long as that")
    if limit and not job.transaction_timeout_ms:
        job = job.model_copy(update={"transaction_timeout_ms": limit})
    return settings.model_copy(update={"job": job})


def _topics(kafka: KafkaSettings, setting: str) -> set[str]:
    try:
        consumer = kafka_consumer(kafka, bootstrap_timeout_ms=_CONNECT_MS)
        try:
            return set(consumer.topics())
        finally:
            consumer.close()
    except (KafkaError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise StackError(
            f"Kafka does not answer at {kafka.bootstrap_servers} ({reason}); start it ('eddy up') or set {setting}"
        ) from None


def _check_sources(settings: Settings, cluster: Cluster, present: set[str]) -> None:
    """Raise unless the sources of a cluster can be read, and each of them has a topic."""
    if cluster.number and cluster.sources:
        present = _topics(cluster.kafka, f"{next(iter(cluster.sources))}.kafka")
    own = own_topics(settings.topics)
    cluster.mappings(settings)  # raises where one cannot be read
    for name, source in cluster.sources.items():
        if taken := sorted(own.intersection(source.topics)) if not cluster.number else []:
            raise SettingsError(f"{name}.topics: found {taken[0]!r}, which is a topic of Eddy's own, expected another")
        where = cluster.kafka.bootstrap_servers
        if missing := [topic for topic in source.topics if topic not in present]:
            raise StackError(
                f"Kafka at {where} has no topic {', '.join(missing)} ({name}.topics); it has to be there first"
            )
        if source.pattern and not any(source.reads(topic) for topic in present - own):
            log.warning("%s.pattern: no topic of Kafka at %s matches %r yet", name, where, source.pattern)


def _longest_transaction_ms(settings: Settings) -> int:
    """Ask the broker for its limit; 0 where it does not tell (it takes the right to describe its settings)."""
    try:
        admin = kafka_admin(settings.kafka)
        try:
            node = str(admin.describe_cluster()["brokers"][0]["broker_id"])
            resource = ConfigResource(ConfigResourceType.BROKER, node, {_LIMIT: None})
            answer: Any = admin.describe_configs([resource], config_filter="all")
            return int(answer["broker"][node][_LIMIT]["value"])
        finally:
            admin.close()
    except (KafkaError, LookupError, TypeError, ValueError) as error:
        log.warning("%s of the broker is not known (%s): transactions last as long as Kafka's default", _LIMIT, error)
        return 0


def _check_name(registry: ClassRegistry[Any], setting: str, found: str) -> None:
    name = found.partition(":")[0]
    if name not in registry:
        known = ", ".join(registry.names())
        raise SettingsError(f"{setting}: no {registry.what} {name!r} is installed here; known: {known}")
