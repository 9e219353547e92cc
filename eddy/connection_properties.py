"""Know the properties of Kafka's clients that ``kafka.properties`` may set, and translate them for each client.

A test holds the table against the three clients themselves.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal

Client = Literal["java-consumer", "java-producer", "librdkafka-consumer", "librdkafka-producer"]

#: name -> who takes it: C, P Java's consumer and producer in the job; c, p librdkafka's
_TAKEN_BY = {
    "auto.commit.interval.ms": "Cc",
    "broker.address.family": "cp",
    "broker.address.ttl": "cp",
    "check.crcs": "Cc",
    "client.dns.lookup": "CPcp",
    "client.id": "Pcp",  # Flink's source names its consumers itself
    "compression.gzip.level": "P",
    "compression.level": "p",
    "compression.lz4.level": "P",
    "compression.type": "Pp",
    "compression.zstd.level": "P",
    "connections.max.idle.ms": "CPcp",
    "coordinator.query.interval.ms": "c",
    "debug": "cp",
    "default.api.timeout.ms": "C",
    "delivery.timeout.ms": "P",
    "enable.metrics.push": "CPcp",
    "fetch.error.backoff.ms": "c",
    "fetch.max.wait.ms": "Cc",
    "fetch.min.bytes": "Cc",
    "fetch.queue.backoff.ms": "c",
    "heartbeat.interval.ms": "Cc",
    "log.connection.close": "cp",
    "log_level": "cp",
    "max.block.ms": "P",
    "max.poll.interval.ms": "Cc",
    "metadata.max.age.ms": "CPcp",
    "metadata.max.idle.ms": "P",
    "metadata.recovery.rebootstrap.trigger.ms": "CPcp",
    "metadata.recovery.strategy": "CPcp",
    "metrics.num.samples": "CP",
    "metrics.recording.level": "CP",
    "metrics.sample.window.ms": "CP",
    "receive.buffer.bytes": "CPcp",
    "reconnect.backoff.max.ms": "CPcp",
    "reconnect.backoff.ms": "CPcp",
    "retry.backoff.max.ms": "CPcp",
    "retry.backoff.ms": "CPcp",
    "sasl.kerberos.min.time.before.relogin": "CPcp",
    "sasl.kerberos.ticket.renew.jitter": "CP",
    "sasl.kerberos.ticket.renew.window.factor": "CP",
    "sasl.login.refresh.buffer.seconds": "CP",
    "sasl.login.refresh.min.period.seconds": "CP",
    "sasl.login.refresh.window.factor": "CP",
    "sasl.login.refresh.window.jitter": "CP",
    "send.buffer.bytes": "CPcp",
    "session.timeout.ms": "Cc",
    "socket.connection.setup.timeout.max.ms": "CP",
    "socket.connection.setup.timeout.ms": "CPcp",
    "socket.keepalive.enable": "cp",
    "socket.max.fails": "cp",
    "socket.nagle.disable": "cp",
    "ssl.cipher.suites": "CPcp",
    "ssl.crl.location": "cp",
    "ssl.curves.list": "cp",
    "ssl.enabled.protocols": "CP",
    "ssl.keymanager.algorithm": "CP",
    "ssl.protocol": "CP",
    "ssl.secure.random.implementation": "CP",
    "ssl.sigalgs.list": "cp",
    "ssl.trustmanager.algorithm": "CP",
    "sticky.partitioning.linger.ms": "p",
    "topic.metadata.propagation.max.ms": "cp",
    "topic.metadata.refresh.fast.interval.ms": "cp",
    "topic.metadata.refresh.interval.ms": "cp",
    "topic.metadata.refresh.sparse": "cp",
}
#: Java's names of properties that librdkafka has under another one
_LIBRDKAFKA_NAMES = {
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
}
_JAVA_NAMES = {other: name for name, other in _LIBRDKAFKA_NAMES.items()}
#: kafka-python's names that are not Java's with '_' in place of '.'
_KAFKA_PYTHON_NAMES = {"ssl.cipher.suites": "ssl_ciphers", "ssl.crl.location": "ssl_crlfile"}

_CODE = "it would load code or run a command"
_OURS = "Eddy's guarantees rest on it"
_SIZES = "kafka.max_message_bytes sets it"
#: beginning of a name -> why it may not be set here; the longest that fits counts
_REFUSED = {
    "acks": _OURS,
    "allow.auto.create.topics": _OURS,
    "auto.offset.reset": "job.start_from says where reading begins",
    "batch.": "Eddy sets it",
    "bootstrap.servers": "kafka.bootstrap_servers sets it",
    "buffer.memory": _SIZES,
    "client.rack": "kafka.client_rack sets it",
    "config.providers": _CODE,
    "delivery.report.only.error": "Eddy sets it",
    "enable.auto.": _OURS,
    "enable.gapless.guarantee": _OURS,
    "enable.idempotence": _OURS,
    "enable.sasl.": "kafka.sasl_mechanism sets it",
    "enable.ssl.certificate.verification": "certificates are always checked; kafka.ssl_cafile names the authority",
    "exclude.internal.topics": _OURS,
    "fetch.max.bytes": _SIZES,
    "fetch.message.max.bytes": _SIZES,
    "group.": "job.group names the job's group",
    "https.ca.": "kafka.oauth_cafile sets it",
    "interceptor": _CODE,
    "isolation.level": "Eddy reads committed records only",
    "key.": "Eddy sets it",
    "linger.ms": "Eddy sets it",
    "max.in.flight": _OURS,
    "max.partition.fetch.bytes": _SIZES,
    "max.poll.records": "Eddy sets it",
    "max.request.size": _SIZES,
    "message.max.bytes": _SIZES,
    "message.send.max.retries": _OURS,
    "message.timeout.ms": "Eddy sets it; delivery.timeout.ms is that of the job's producer",
    "metadata.broker.list": "kafka.bootstrap_servers sets it",
    "metric.reporters": _CODE,
    "partition.assignment.strategy": _OURS,
    "partitioner": _OURS,
    "plugin.library.paths": _CODE,
    "queue.buffering.": "Eddy sets it",
    "queued.": "Eddy sets it",
    "receive.message.max.bytes": _SIZES,
    "request.": "kafka.request_timeout_ms sets it",
    "retries": _OURS,
    "sasl.client.": _CODE,
    "sasl.jaas.config": "kafka.sasl_… settings give it, and keep passwords out of sight",
    "sasl.kerberos.keytab": "kafka.kerberos_keytab sets it",
    "sasl.kerberos.kinit.cmd": _CODE,
    "sasl.kerberos.principal": "kafka.kerberos_principal sets it",
    "sasl.kerberos.service.name": "kafka.kerberos_service_name sets it",
    "sasl.login.": "Eddy fetches tokens itself, with limits of its own",
    "sasl.login.callback.": _CODE,
    "sasl.login.class": _CODE,
    "sasl.mechanism": "kafka.sasl_mechanism sets it",
    "sasl.oauthbearer.": "kafka.oauth_… settings set it",
    "sasl.password": "a secret: kafka.sasl_password_file takes it",
    "sasl.username": "kafka.sasl_username sets it",
    "security.protocol": "kafka.security_protocol sets it",
    "security.providers": _CODE,
    "socket.timeout.ms": "kafka.request_timeout_ms sets it",
    "ssl.ca.": "kafka.ssl_cafile sets it",
    "ssl.certificate.": "kafka.ssl_certfile sets it",
    "ssl.endpoint.identification.algorithm": "kafka.ssl_check_hostname sets it",
    "ssl.engine.": _CODE,
    "ssl.key.": "kafka.ssl_keyfile and kafka.ssl_key_password_file set it",
    "ssl.keystore.": "kafka.ssl_certfile, ssl_keyfile and ssl_key_password_file set it",
    "ssl.provider": _CODE,
    "ssl.truststore.": "kafka.ssl_cafile sets it",
    "transaction": "job.delivery and job.transaction_timeout_ms set it",
    "value.": "Eddy sets it",
}
_MAX_TEXT = 1000
_CODES: dict[Client, str] = {
    "java-consumer": "C", "java-producer": "P", "librdkafka-consumer": "c", "librdkafka-producer": "p",
}  # fmt: skip


def checked(given: Any) -> dict[str, str]:
    """Return properties under Java's names where there is one, their values as text.

    Raises:
        ValueError: a name that no client knows, one that Eddy sets itself, or a value that is no plain text.

    Examples:
        >>> checked({"socket.receive.buffer.bytes": 65536, "enable.metrics.push": False})
        {'receive.buffer.bytes': '65536', 'enable.metrics.push': 'false'}
        >>> checked({"metadata.max.agee.ms": 1})
        Traceback (most recent call last):
        ...
        ValueError: found 'metadata.max.agee.ms', expected a property of a Kafka client; did you mean ...
    """
    if not isinstance(given, dict):
        message = f"found {type(given).__name__}, expected names of client properties with their values"
        raise ValueError(message)
    found: dict[str, str] = {}
    for name, value in given.items():
        plain = _JAVA_NAMES.get(name, name)
        if plain not in _TAKEN_BY:
            raise ValueError(_refusal(str(name)))
        if plain in found:
            message = f"found {name!r} and its other name, expected one of them"
            raise ValueError(message)
        found[plain] = _text(name, value)
    return found


def _refusal(name: str) -> str:
    """Say why a property cannot be set, without its value, which may be a secret."""
    beginning = max((text for text in _REFUSED if name.startswith(text)), key=len, default="")
    if beginning:
        return f"{name} cannot be set here: {_REFUSED[beginning]}"
    nearest = difflib.get_close_matches(name, [*_TAKEN_BY, *_JAVA_NAMES], n=1, cutoff=0.0)[0]
    return f"found {name!r}, expected a property of a Kafka client; did you mean {nearest!r}?"


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float, str)):
        text = str(value)
        if len(text) <= _MAX_TEXT and text.isprintable() and "${" not in text:
            return text
    message = (
        f"{name}: expected a number, true, false or a printable text of at most {_MAX_TEXT} characters, without ${{"
    )
    raise ValueError(message)


def for_client(properties: Mapping[str, str], client: Client) -> dict[str, str]:
    """Return the properties that a client takes, under its own names.

    Examples:
        >>> for_client({"receive.buffer.bytes": "65536", "compression.type": "lz4"}, "librdkafka-consumer")
        {'socket.receive.buffer.bytes': '65536'}
    """
    code = _CODES[client]
    names = _LIBRDKAFKA_NAMES if code.islower() else {}
    return {names.get(name, name): text for name, text in properties.items() if code in _TAKEN_BY[name]}


def for_kafka_python(properties: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties that a client of kafka-python takes, with values of the types of its defaults.

    Raises:
        ValueError: a value that is no number although the client wants one.

    Examples:
        >>> for_kafka_python({"fetch.min.bytes": "2", "debug": "all"}, {"fetch_min_bytes": 1})
        {'fetch_min_bytes': 2}
    """
    found: dict[str, Any] = {}
    for name, text in properties.items():
        own = _KAFKA_PYTHON_NAMES.get(name, name.replace(".", "_"))
        if own in defaults:
            found[own] = _as(type(defaults[own]), name, text)
    return found


def _as(kind: type, name: str, text: str) -> Any:
    if kind is bool and text in {"true", "false"}:
        return text == "true"
    try:
        if kind is int or (kind is type(None) and text.lstrip("-").isdecimal()):
            return int(text)
        return float(text) if kind is float else text
    except ValueError:
        message = f"kafka.properties: {name}: found {text!r}, expected a number"
        raise ValueError(message) from None


def table() -> list[tuple[str, str]]:
    """Return every property with the clients that take it, for the documentation."""
    words = {"CP": "Java", "C": "Java's consumer", "P": "Java's producer"}
    more = {"cp": "librdkafka", "c": "librdkafka's consumer", "p": "librdkafka's producer"}
    rows = []
    for name, codes in _TAKEN_BY.items():
        java, other = (part for part in ("".join(filter(str.isupper, codes)), "".join(filter(str.islower, codes))))
        also = f" (there `{_LIBRDKAFKA_NAMES[name]}`)" if name in _LIBRDKAFKA_NAMES else ""
        rows.append((name, ", ".join(text for text in (words.get(java, ""), more.get(other, "")) if text) + also))
    return rows
