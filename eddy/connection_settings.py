"""Define the settings of the connections to Kafka and Redis, and of the topics' names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from eddy.connection_properties import checked
from eddy.settings_group import Group, from_json


def _properties(value: Any) -> dict[str, str]:
    return checked(from_json(value, "names and values as a JSON object"))


def _extensions(value: Any) -> Any:
    value = from_json(value, "names and values as a JSON object")
    for name, text in value.items() if isinstance(value, dict) else ():
        if not (str(name).isalpha() and str(name).isascii()) or name == "auth" or not str(text).isprintable():
            message = f"found the extension {name!r}, expected a name of letters (not auth), with a printable text"
            raise ValueError(message)
    return value


class KafkaSettings(Group):
    """Connect to the Kafka cluster; every Kafka client of Eddy gets these addresses and security settings.

    Examples:
        >>> KafkaSettings().bootstrap_servers
        '127.0.0.1:19092'
        >>> secured = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_password="secret")
        >>> secured.sasl_password
        SecretStr('**********')
    """

    bootstrap_servers: str = Field("127.0.0.1:19092", description="addresses of brokers, host:port, comma separated")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="SSL encrypts the connection, SASL authenticates the client"
    )
    sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM", "GSSAPI"] | None
    ) = Field(None, description="how the client authenticates; required with a SASL protocol")
    sasl_username: str | None = Field(None, description="user name for SASL")
    sasl_password: SecretStr | None = Field(None, description="password for SASL")
    sasl_password_file: str | None = Field(None, description="file that holds the SASL password; used instead of it")
    ssl_cafile: str | None = Field(None, description="PEM file of the authority that signed the brokers' certificates")
    ssl_certfile: str | None = Field(None, description="PEM file of the client's certificate")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client's private key (PKCS#8)")
    ssl_key_password: SecretStr | None = Field(None, description="password of the private key, where it has one")
    ssl_key_password_file: str | None = Field(
        None, description="file that holds the key's password; used instead of it"
    )
    ssl_check_hostname: bool = Field(True, description="refuse a broker whose certificate names another host")
    oauth_token_url: str | None = Field(None, description="OAUTHBEARER: address of the token endpoint, https://…")
    oauth_client_id: str | None = Field(None, description="OAUTHBEARER: id of the client at the token endpoint")
    oauth_client_secret: SecretStr | None = Field(None, description="OAUTHBEARER: the client's secret")
    oauth_client_secret_file: str | None = Field(None, description="file that holds the secret; used instead of it")
    oauth_scope: str | None = Field(None, description="OAUTHBEARER: scope that is asked for; several with blanks")
    oauth_cafile: str | None = Field(None, description="PEM file of the authority of the token endpoint's certificate")
    oauth_extensions: Annotated[dict[str, str], BeforeValidator(_extensions)] = Field(
        {}, description="SASL extensions that go to the broker with the token"
    )
    aws_region: str | None = Field(None, description="AWS_MSK_IAM: region of the cluster; default: AWS_REGION")
    kerberos_service_name: str = Field(
        "kafka", min_length=1, description="GSSAPI: first part of the brokers' principal"
    )
    kerberos_principal: str | None = Field(None, description="GSSAPI: the client's principal, such as eddy@EXAMPLE.COM")
    kerberos_keytab: str | None = Field(None, description="GSSAPI: file with the principal's key")
    kerberos_config: str | None = Field(None, description="GSSAPI: krb5.conf; default: the system's")
    client_rack: str = Field("", description="rack or zone of the clients: they read from a replica that is near")
    properties: Annotated[dict[str, str], BeforeValidator(_properties)] = Field(
        {}, description="further properties of the Kafka clients, under their own names; each takes what it knows"
    )
    max_message_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="largest message that clients fetch, bytes")
    request_timeout_ms: int = Field(30_000, ge=1000, description="how long a client waits for a reply, milliseconds")

    @model_validator(mode="after")
    def _complete_security(self) -> KafkaSettings:
        """Refuse security settings that clients would ignore because another one is missing."""
        if self.sasl_mechanism is None and self.security_protocol.startswith("SASL"):
            message = f"security_protocol {self.security_protocol} needs kafka.sasl_mechanism"
            raise ValueError(message)
        if self.sasl_mechanism and not self.security_protocol.startswith("SASL"):
            message = f"sasl_mechanism {self.sasl_mechanism} needs kafka.security_protocol SASL_SSL or SASL_PLAINTEXT"
            raise ValueError(message)
        if bool(self.ssl_certfile) != bool(self.ssl_keyfile):
            message = "ssl_certfile and ssl_keyfile belong together: found one of them"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _complete_mechanism(self) -> KafkaSettings:
        """Refuse a mechanism without what it needs; secrets are not here in each process."""
        needed = {
            "OAUTHBEARER": ("oauth_token_url", "oauth_client_id"),
            "GSSAPI": ("kerberos_principal", "kerberos_keytab"),
        }.get(self.sasl_mechanism or "", ())
        for name in needed:
            if not getattr(self, name):
                message = f"sasl_mechanism {self.sasl_mechanism} needs kafka.{name}"
                raise ValueError(message)
        if self.sasl_mechanism == "AWS_MSK_IAM" and self.security_protocol != "SASL_SSL":
            message = f"found {self.security_protocol} with AWS_MSK_IAM, expected kafka.security_protocol SASL_SSL"
            raise ValueError(message)
        return self

    @field_validator("oauth_token_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith(("https://", "http://")) and "@" not in value.split("?")[0]):
            message = "expected https://… (http:// only for tests), without a name and password in it"
            raise ValueError(message)
        return value


#: fields of :class:`KafkaSettings` that are secrets: each can be given as a file, by ``<name>_file``
KAFKA_SECRETS = tuple(name for name in KafkaSettings.model_fields if f"{name}_file" in KafkaSettings.model_fields)


class RedisSettings(Group):
    """Connect to Redis, and limit how much Eddy writes there and how long it stays.

    Examples:
        >>> RedisSettings(max_alerts=500).max_alerts
        500
    """

    host: str = Field("127.0.0.1", description="host name or address of the server")
    port: int = Field(16379, ge=1, le=65535, description="port of the server")
    db: int = Field(0, ge=0, description="number of the database")
    username: str | None = Field(None, description="user name, where Redis asks for one")
    password: SecretStr | None = Field(None, description="password, where Redis asks for one")
    password_file: str | None = Field(None, description="file that holds the password; used instead of it")
    tls: bool = Field(False, description="encrypt the connection")
    ssl_cafile: str | None = Field(None, description="PEM file of the authority that signed the server's certificate")
    ssl_certfile: str | None = Field(None, description="PEM file of the client's certificate, where Redis asks for one")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client's private key")
    ssl_check_hostname: bool = Field(True, description="refuse a server whose certificate names another host")
    prefix: str = Field("eddy", description="first part of every key")
    timeout_ms: int = Field(2000, ge=50, description="how long to wait for a connection or a reply, milliseconds")
    ttl_seconds: int = Field(
        7 * 86400, ge=60, description="how long a live-state key stays after its last write, seconds"
    )
    max_alerts: int = Field(10_000, ge=1, description="alerts kept in the alerts stream; the oldest are removed")
    max_recent_points: int = Field(
        2_000, ge=0, description="recent points kept per series for the dashboard; 0 = write none"
    )


class SchemaRegistrySettings(Group):
    """Connect to a schema registry with Confluent's API, for messages that name their schema by a number.

    Examples:
        >>> SchemaRegistrySettings(urls="http://127.0.0.1:8081").patience_seconds
        60
    """

    urls: str = Field("", description="addresses of the registry, comma separated; the next is asked if one is away")
    username: str | None = Field(None, description="user name, where the registry asks for one")
    password: SecretStr | None = Field(None, description="password, where the registry asks for one")
    password_file: str | None = Field(None, description="file that holds the password; used instead of it")
    token: SecretStr | None = Field(None, description="bearer token, where the registry asks for one")
    token_file: str | None = Field(None, description="file that holds the token, read again when it is refused")
    ssl_cafile: str | None = Field(None, description="PEM file of the authority that signed the registry's certificate")
    ssl_certfile: str | None = Field(None, description="PEM file of the client's certificate")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client's private key")
    timeout_ms: int = Field(5000, ge=100, description="how long to wait for a reply, milliseconds")
    patience_seconds: int = Field(
        60,
        ge=1,
        description="how long a schema is asked for before the job restarts; records wait meanwhile, seconds",
    )


class TopicSettings(Group):
    """Name the Kafka topics. An empty name means ``<prefix>.<role>``, and ``<prefix>.observations.dlq`` for ``dlq``.

    Examples:
        >>> TopicSettings(prefix="plant", alerts="alarms").name("alerts")
        'alarms'
        >>> TopicSettings(prefix="plant").name("scores")
        'plant.scores'
        >>> TopicSettings().name("dlq")
        'eddy.observations.dlq'
    """

    prefix: str = Field("eddy", description="first part of each name that is not given")
    observations: str = Field("", description="points to score")
    models: str = Field("", description="model registry (compacted)")
    alerts: str = Field("", description="openings, updates and closings of incidents and groups")
    scores: str = Field("", description="scores of all points, with job.emit_scores")
    dlq: str = Field("", description="dead letters: records that could not be read, with the reason")
    labels: str = Field("", description="true anomalies of generated and labelled data")
    events: str = Field("", description="model versions adopted, refused and withdrawn, and the trainer's results")
    feedback: str = Field("", description="answers of people to incidents")
    drift: str = Field("", description="lasting changes of series")
    shadow: str = Field("", description="alerts of candidate versions that notify nobody")
    figures: str = Field("", description="how often each model version alerts, with learning.model_stats")
    sources: str = Field("", description="what each input source brings: records, series, dead letters by reason")
    training: str = Field("", description="training requests")
    trainer: str = Field("", description="the trainer's progress (compacted)")

    def name(self, role: str) -> str:
        """Return the full topic name of a role such as ``"alerts"``."""
        suffix = "observations.dlq" if role == "dlq" else role
        return str(getattr(self, role)) or f"{self.prefix}.{suffix}"
