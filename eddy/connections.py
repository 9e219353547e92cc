"""Connect every part of Eddy to Kafka and Redis: one place for addresses, TLS and credentials."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from eddy.connection_properties import for_client, for_kafka_python
from eddy.errors import SettingsError, StackError
from eddy.settings import KafkaSettings, RedisSettings

TOKEN_MECHANISMS = {"OAUTHBEARER", "AWS_MSK_IAM"}  # both show the broker a token


def kafka_client(settings: KafkaSettings, kind: type | None = None) -> dict[str, Any]:
    """Return the keyword arguments that every kafka-python client takes.

    Args:
        settings: of the connection.
        kind: class of the client, which says what it takes of ``kafka.properties``; None = leave them out.

    Raises:
        StackError: the mechanism gives no token or ticket; one line says why.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
        "request_timeout_ms": settings.request_timeout_ms,
    }
    if kind is not None:
        defaults = kind.DEFAULT_CONFIG  # type: ignore[attr-defined]
        options |= for_kafka_python(settings.properties, defaults)
        if settings.client_rack and "client_rack" in defaults:
            options["client_rack"] = settings.client_rack
    options |= _kafka_login(settings)
    if "SSL" in settings.security_protocol.split("_"):
        options |= {
            "ssl_cafile": settings.ssl_cafile,
            "ssl_certfile": settings.ssl_certfile,
            "ssl_keyfile": settings.ssl_keyfile,
            "ssl_password": _secret(settings.ssl_key_password),
            "ssl_check_hostname": settings.ssl_check_hostname,
        }
    return options


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


def _kafka_login(settings: KafkaSettings) -> dict[str, Any]:
    mechanism = settings.sasl_mechanism
    if mechanism is None:
        return {}
    if mechanism in TOKEN_MECHANISMS:
        from eddy.connection_logins import token_provider  # noqa: PLC0415

        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": token_provider(settings)}
    if mechanism == "GSSAPI":
        from eddy.connection_logins import kerberos_login  # noqa: PLC0415

        kerberos_login(settings)
        return {"sasl_mechanism": mechanism, "sasl_kerberos_service_name": settings.kerberos_service_name}
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": _secret(settings.sasl_password) or "",
    }


def librdkafka_client(
    settings: KafkaSettings, client: Literal["librdkafka-consumer", "librdkafka-producer"] | None = None
) -> dict[str, Any]:
    """Return the options that every librdkafka client takes: address, credentials, TLS.

    Args:
        settings: of the connection.
        client: which one, for what it takes of ``kafka.properties``; None = leave them out.

    Raises:
        StackError: the mechanism gives no token; one line says why.
    """
    options: dict[str, Any] = {
        **(for_client(settings.properties, client) if client else {}),
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
    }
    if settings.client_rack:
        options["client.rack"] = settings.client_rack
    options |= _librdkafka_login(settings)
    if "SSL" in settings.security_protocol.split("_"):
        files = {
            "ssl.ca.location": settings.ssl_cafile,
            "ssl.certificate.location": settings.ssl_certfile,
            "ssl.key.location": settings.ssl_keyfile,
            "ssl.key.password": _secret(settings.ssl_key_password),
        }
        options |= {name: path for name, path in files.items() if path}
        options["ssl.endpoint.identification.algorithm"] = "https" if settings.ssl_check_hostname else "none"
    return options


def _librdkafka_login(settings: KafkaSettings) -> dict[str, Any]:
    mechanism = settings.sasl_mechanism
    if mechanism is None:
        return {}
    if mechanism in TOKEN_MECHANISMS:
        from eddy.connection_logins import token_callbacks  # noqa: PLC0415

        return {"sasl.mechanism": "OAUTHBEARER", **token_callbacks(settings)}
    if mechanism == "GSSAPI":
        if settings.kerberos_config:
            os.environ["KRB5_CONFIG"] = settings.kerberos_config
        return {
            "sasl.mechanism": mechanism,
            "sasl.kerberos.service.name": settings.kerberos_service_name,
            "sasl.kerberos.principal": settings.kerberos_principal or "",
            "sasl.kerberos.keytab": settings.kerberos_keytab or "",
        }
    return {
        "sasl.mechanism": mechanism,
        "sasl.username": settings.sasl_username or "",
        "sasl.password": _secret(settings.sasl_password) or "",
    }


def kafka_consumer(settings: KafkaSettings, **options: Any) -> Any:
    """Make a kafka-python consumer: committed records only, and offsets are committed where the caller says so."""
    from kafka import KafkaConsumer  # noqa: PLC0415

    ours = {"isolation_level": "read_committed", "enable_auto_commit": False}
    return _kafka_python(KafkaConsumer, settings, {**ours, **options})


def kafka_producer(settings: KafkaSettings, **options: Any) -> Any:
    """Make a kafka-python producer."""
    from kafka import KafkaProducer  # noqa: PLC0415

    return _kafka_python(KafkaProducer, settings, options)


def kafka_admin(settings: KafkaSettings, **options: Any) -> Any:
    """Make a kafka-python admin client."""
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415

    return _kafka_python(KafkaAdminClient, settings, options)


def _kafka_python(kind: Any, settings: KafkaSettings, options: Mapping[str, Any]) -> Any:
    from kafka.errors import KafkaError  # noqa: PLC0415

    every = {**kafka_client(settings, kind), **options}
    try:
        return kind(**every)
    except KafkaError:
        trouble = getattr(every.get("sasl_oauth_token_provider"), "trouble", "")
        if not trouble:
            raise
        raise StackError(trouble) from None


def librdkafka_consumer(settings: KafkaSettings, options: Mapping[str, Any], logger: str) -> Any:
    """Make a consumer of confluent-kafka: committed records only; it logs to the logger of this name."""
    from confluent_kafka import Consumer  # noqa: PLC0415

    ours = {**librdkafka_client(settings, "librdkafka-consumer"), "isolation.level": "read_committed"}
    return _librdkafka(Consumer, ours, options, logger)


def librdkafka_producer(options: Mapping[str, Any], logger: str) -> Any:
    """Make a producer of confluent-kafka from all of its options; it logs to the logger of this name."""
    from confluent_kafka import Producer  # noqa: PLC0415

    return _librdkafka(Producer, {}, options, logger)


def _librdkafka(kind: Any, ours: Mapping[str, Any], options: Mapping[str, Any], logger: str) -> Any:
    from confluent_kafka import KafkaException  # noqa: PLC0415

    every = {**ours, **options}
    if "error_cb" in ours and "error_cb" in options:
        told, asked = ours["error_cb"], options["error_cb"]
        every["error_cb"] = lambda error: (told(error), asked(error))
    try:
        return kind(every, logger=logging.getLogger(logger))
    except KafkaException as error:
        reason = str(error.args[0].str()) if hasattr(error.args[0], "str") else str(error)
        if "No provider for SASL mechanism GSSAPI" in reason:
            raise SettingsError(
                "kafka.sasl_mechanism GSSAPI: the installed confluent-kafka was built without it; build it on this "
                "machine (docs/security.md, Kerberos), or use what needs kafka-python only"
            ) from None
        raise SettingsError(f"kafka: librdkafka refuses the settings: {reason}") from None


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
