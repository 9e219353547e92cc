"""Set Kafka's Java clients up: addresses, logins, sizes. Secrets stay where they are; only their places are written."""

from __future__ import annotations

from collections.abc import Mapping

from eddy.configuration import environment_name
from eddy.connection_properties import for_client
from eddy.connections import TOKEN_MECHANISMS
from eddy.settings import KafkaSettings, Settings

_SHADED = "org.apache.flink.kafka.shaded.org.apache.kafka"
_SECRETS = "eddy"  # name under which the properties speak of jvm/…/Secrets.java
_LINGER_MS = 5
_PARTITION_DISCOVERY_MS = 30_000
_EXTRA_BYTES = 1024 * 1024  # key, headers and framing beside the largest value
_MIB = 1024 * 1024
#: what a source holds: of a fetch as it comes from the broker, of a partition in it, and of a poll, decompressed
_FETCH_BYTES, _PARTITION_BYTES, _POLL_BYTES = 16 * _MIB, 4 * _MIB, 16 * _MIB
_POLL_RECORDS = 5000
_TRANSACTION_MS = 900_000  # what brokers allow unless they are told otherwise; main.py asks this one


def consumer(settings: Settings, largest: int = 0, headers: bool = False, watched: bool = False) -> dict[str, str]:
    """Return the properties of the Java consumer.

    Args:
        settings: addresses, security, sizes.
        largest: bytes of the largest value that is not cut; 0 = job.max_event_bytes.
        headers: keep the records' headers.
        watched: jvm/…/Fetches.java looks whether the broker answers.
    """
    own = for_client(settings.kafka.properties, "java-consumer")
    reporters = [own["metric.reporters"]] if own.get("metric.reporters") else []
    reporters += ["eddy.flink.Fetches$Numbers"] if watched else []
    return {
        **security(settings.kafka),
        **own,
        **({"metric.reporters": ",".join(reporters)} if reporters else {}),
        "partition.discovery.interval.ms": str(_PARTITION_DISCOVERY_MS),
        "fetch.max.bytes": str(min(_FETCH_BYTES, settings.kafka.max_message_bytes)),
        "max.partition.fetch.bytes": str(_PARTITION_BYTES),
        "max.poll.records": str(_POLL_RECORDS),
        "isolation.level": "read_committed",
        # jvm/…/PollBytes.java: bounds in bytes, which Kafka's own settings have for compressed data only
        "key.deserializer": "eddy.flink.PollBytes$Keys",
        "value.deserializer": "eddy.flink.PollBytes$Values",
        "interceptor.classes": "eddy.flink.PollBytes$End",
        "eddy.poll.bytes": str(_POLL_BYTES),
        "eddy.value.bytes": str(largest or settings.job.max_event_bytes),
        **({"eddy.headers": "true"} if headers else {}),
    }


def producer(settings: Settings) -> dict[str, str]:
    """Return the properties of the Java producer."""
    largest = settings.kafka.max_message_bytes + _EXTRA_BYTES
    return {
        **security(settings.kafka),
        **for_client(settings.kafka.properties, "java-producer"),
        "linger.ms": str(_LINGER_MS),
        "max.request.size": str(largest),
        "buffer.memory": str(2 * largest),
        "transaction.timeout.ms": str(settings.job.transaction_timeout_ms or _TRANSACTION_MS),
    }


def security(kafka: KafkaSettings) -> dict[str, str]:
    """Return address and security of the Java client.

    Passwords and keys stay out of the job graph: the client reads them, by ``jvm/…/Secrets.java``, from the environment
    or the files of the process that it runs in.
    """
    properties = {"bootstrap.servers": kafka.bootstrap_servers, "security.protocol": kafka.security_protocol}
    if kafka.client_rack:
        properties["client.rack"] = kafka.client_rack
    properties |= _login(kafka)
    if kafka.ssl_cafile:
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": kafka.ssl_cafile}
    if kafka.ssl_certfile and kafka.ssl_keyfile:
        has_password = kafka.ssl_key_password or kafka.ssl_key_password_file
        place = kafka.ssl_key_password_file or environment_name("kafka.ssl_key_password")
        how = f"decrypted:{place}" if has_password else "text"
        properties |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": f"${{{_SECRETS}:{kafka.ssl_certfile}:text}}",
            "ssl.keystore.key": f"${{{_SECRETS}:{kafka.ssl_keyfile}:{how}}}",
        }
    if not kafka.ssl_check_hostname:
        properties["ssl.endpoint.identification.algorithm"] = ""
    if any("${" in value for value in properties.values()):
        properties |= {
            "config.providers": _SECRETS,
            f"config.providers.{_SECRETS}.class": "eddy.flink.Secrets",
        }
    return properties


def _login(kafka: KafkaSettings) -> dict[str, str]:
    mechanism = kafka.sasl_mechanism
    if mechanism is None:
        return {}
    options: dict[str, str | None]
    if mechanism == "GSSAPI":
        module = "com.sun.security.auth.module.Krb5LoginModule"
        flags = "useKeyTab=true storeKey=true refreshKrb5Config=true "
        options = {
            "keyTab": kafka.kerberos_keytab,
            "principal": kafka.kerberos_principal,
            "krb5Config": kafka.kerberos_config,
        }
        return {
            "sasl.mechanism": mechanism,
            "sasl.kerberos.service.name": kafka.kerberos_service_name,
            "sasl.login.callback.handler.class": "eddy.flink.Kerberos",
            "sasl.jaas.config": f"{module} required {flags}{_jaas(options)};",
        }
    if mechanism in TOKEN_MECHANISMS:
        secret = ""
        if mechanism == "AWS_MSK_IAM":
            options = {"region": kafka.aws_region or ""}
        else:
            secret = f'clientSecret="{_place("kafka.oauth_client_secret", kafka.oauth_client_secret_file)}" '
            options = {
                "url": kafka.oauth_token_url,
                "clientId": kafka.oauth_client_id,
                "scope": kafka.oauth_scope,
                "cafile": kafka.oauth_cafile,
                **{f"extension_{name}": text for name, text in kafka.oauth_extensions.items()},
            }
        return {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.login.callback.handler.class": "eddy.flink.Tokens",
            "sasl.jaas.config": f"{_SHADED}.common.security.oauthbearer.OAuthBearerLoginModule required "
            f"{secret}{_jaas(options)};",
        }
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    return {
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": f"{_SHADED}.common.security.{module} required "
        f"{_jaas({'username': kafka.sasl_username or ''})} "
        f'password="{_place("kafka.sasl_password", kafka.sasl_password_file)}";',
    }


def _place(key: str, file: str | None) -> str:
    """Return what stands for a secret between quotes: its file's path, which is no secret, or its variable."""
    return f"${{{_SECRETS}:{file}:quoted}}" if file else f"${{{_SECRETS}:{environment_name(key)}}}"


def _jaas(options: Mapping[str, str | None]) -> str:
    """Return options of a JAAS line, in quotes that their values cannot end."""
    quoted = {
        name: text.replace("\\", "\\\\").replace('"', '\\"') for name, text in options.items() if text is not None
    }
    return " ".join(f'{name}="{text}"' for name, text in quoted.items())
