"""Connect every part of Eddy to Kafka and Redis: one place for addresses, TLS and credentials."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from eddy.settings import KafkaSettings, RedisSettings


def kafka_client(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments that every kafka-python client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
        "request_timeout_ms": settings.request_timeout_ms,
    }
    if settings.sasl_mechanism:
        password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": password,
        }
    if "SSL" in settings.security_protocol.split("_"):
        options |= {
            "ssl_cafile": settings.ssl_cafile,
            "ssl_certfile": settings.ssl_certfile,
            "ssl_keyfile": settings.ssl_keyfile,
            "ssl_check_hostname": settings.ssl_check_hostname,
        }
    return options


def librdkafka_client(settings: KafkaSettings) -> dict[str, Any]:
    """Return the options that every librdkafka client takes: address, credentials, TLS."""
    options: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
    }
    if settings.sasl_mechanism:
        password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
        options |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username or "",
            "sasl.password": password,
        }
    if "SSL" in settings.security_protocol.split("_"):
        files = {
            "ssl.ca.location": settings.ssl_cafile,
            "ssl.certificate.location": settings.ssl_certfile,
            "ssl.key.location": settings.ssl_keyfile,
        }
        options |= {name: path for name, path in files.items() if path}
        options["ssl.endpoint.identification.algorithm"] = "https" if settings.ssl_check_hostname else "none"
    return options


def kafka_consumer(settings: KafkaSettings, **options: Any) -> Any:
    """Make a kafka-python consumer: committed records only, and offsets are committed where the caller says so."""
    from kafka import KafkaConsumer  # noqa: PLC0415

    return KafkaConsumer(
        **{**kafka_client(settings), "isolation_level": "read_committed", "enable_auto_commit": False, **options}
    )


def kafka_producer(settings: KafkaSettings, **options: Any) -> Any:
    """Make a kafka-python producer."""
    from kafka import KafkaProducer  # noqa: PLC0415

    return KafkaProducer(**kafka_client(settings), **options)


def kafka_admin(settings: KafkaSettings, **options: Any) -> Any:
    """Make a kafka-python admin client."""
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415

    return KafkaAdminClient(**kafka_client(settings), **options)


def librdkafka_consumer(settings: KafkaSettings, options: Mapping[str, Any], logger: str) -> Any:
    """Make a consumer of confluent-kafka: committed records only; it logs to the logger of this name."""
    from confluent_kafka import Consumer  # noqa: PLC0415

    every = {**librdkafka_client(settings), "isolation.level": "read_committed", **options}
    return Consumer(every, logger=logging.getLogger(logger))


def librdkafka_producer(options: Mapping[str, Any], logger: str) -> Any:
    """Make a producer of confluent-kafka from all of its options; it logs to the logger of this name."""
    from confluent_kafka import Producer  # noqa: PLC0415

    return Producer(dict(options), logger=logging.getLogger(logger))


def redis_client(settings: RedisSettings, connected: Callable[[Any], None] | None = None) -> redis.Redis:
    """Return a Redis client; it connects at the first command.

    Args:
        settings: address and credentials.
        connected: called with each new connection, in place of its ``on_connect``, which it has to call.
    """
    seconds = settings.timeout_ms / 1000
    options: dict[str, Any] = {}
    if settings.tls:
        options = {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": settings.ssl_check_hostname,  # the library's own default is not to check
            "ssl_ca_certs": settings.ssl_cafile,
            "ssl_certfile": settings.ssl_certfile,
            "ssl_keyfile": settings.ssl_keyfile,
        }
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        db=settings.db,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        # Whoever calls knows best what a failure means: the sink waits and goes on, a command reports it at once.
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=connected,
        **options,
    )
