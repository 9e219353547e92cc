"""One typed configuration for every part of Eddy.

Precedence, lowest first: defaults, YAML file, the original system's plain variables
(``DETECTOR_TYPE`` …), ``EDDY_…`` environment variables, ``--set key=value``.

A key is written ``group.name`` in YAML and on the command line, and ``EDDY_GROUP_NAME`` in the
environment. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from eddy.alert_settings import AlertSettings
from eddy.learning_settings import LearningSettings


class Group(BaseModel):
    """Base of all settings groups: unknown names are errors, values are checked, never changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Group):
    """Connection to the Kafka cluster; the security fields pass through to every client."""

    bootstrap_servers: str = Field("127.0.0.1:19092", description="host:port, comma separated")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: str | None = Field(None, description="file that holds the password, in its place")
    ssl_cafile: str | None = Field(None, description="PEM file of the authority that signed the brokers' certificates")
    ssl_certfile: str | None = Field(None, description="PEM file of the client's certificate")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client's private key (unencrypted PKCS#8)")
    ssl_check_hostname: bool = True
    max_message_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="largest message that clients fetch, bytes")
    request_timeout_ms: int = Field(30_000, ge=1000)

    @model_validator(mode="after")
    def _whole_pairs(self) -> KafkaSettings:
        """A security setting that would be left out in silence is an error."""
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


class RedisSettings(Group):
    """Connection to Redis, and how long what Eddy writes there lives."""

    host: str = "127.0.0.1"
    port: int = Field(16379, ge=1, le=65535)
    db: int = Field(0, ge=0)
    username: str | None = None
    password: SecretStr | None = None
    password_file: str | None = Field(None, description="file that holds the password, in its place")
    tls: bool = False
    ssl_cafile: str | None = Field(None, description="PEM file of the authority that signed the server's certificate")
    ssl_certfile: str | None = Field(None, description="PEM file of the client's certificate, where Redis asks for one")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client's private key")
    ssl_check_hostname: bool = True
    prefix: str = Field("eddy", description="first part of every key")
    timeout_ms: int = Field(2000, ge=50, description="connect and reply time-out")
    ttl_seconds: int = Field(7 * 86400, ge=60, description="life of live-state keys after the last write")
    alerts_kept: int = Field(10_000, ge=1, description="length at which the alerts stream is capped")
    recent_kept: int = Field(2_000, ge=0, description="points kept per series for the page; 0 turns them off")


class TopicSettings(Group):
    """Names of the Kafka topics. An empty name means ``<prefix>.<role>``."""

    prefix: str = "eddy"
    observations: str = ""
    models: str = ""
    alerts: str = ""
    scores: str = ""
    dlq: str = ""
    labels: str = ""
    events: str = ""
    feedback: str = ""
    drift: str = ""
    shadow: str = ""
    figures: str = ""
    training: str = ""
    trainer: str = ""

    def name(self, role: str) -> str:
        """Full topic name of a role such as ``"alerts"``."""
        suffix = "observations.dlq" if role == "dlq" else role
        return str(getattr(self, role)) or f"{self.prefix}.{suffix}"


class JobSettings(Group):
    """The Flink job."""

    name: str = "eddy"
    parallelism: int = Field(1, ge=1)
    shards: int = Field(16, ge=1, le=1024, description="fixed at first deployment: part of the state's layout")
    max_parallelism: int = Field(128, ge=1, le=32768, description="fixed at first deployment")
    execution_mode: Literal["process", "thread"] = "process"
    batch_ms: int = Field(50, ge=1, le=10_000, description="longest wait of an event in a micro-batch")
    batch_max_events: int = Field(
        8192, ge=1, le=1_000_000, description="when a shard has so many, all shards' micro-batches are sent"
    )
    batch_max_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="the same, by bytes")
    max_event_bytes: int = Field(1024 * 1024, ge=64, description="a larger observation goes to the dead letters")
    out_of_orderness_ms: int = Field(
        0, ge=0, description="event time that a series waits for stragglers; 0 scores at once, in order of arrival"
    )
    hold_timeout_ms: int = Field(
        5000, ge=0, description="wall-clock time after which events held for stragglers are released; 0 = never"
    )
    max_ahead_ms: int = Field(
        86_400_000, ge=0, description="an event later than its Kafka timestamp by more is dead-lettered; 0 = no limit"
    )
    pending_per_series: int = Field(512, ge=0, description="events held per series until a model applies")
    state_ttl_ms: int = Field(
        7 * 86_400_000, ge=0, description="wall-clock silence after which a series is forgotten; 0 = never"
    )
    start_from: Literal["earliest", "latest", "committed"] = "earliest"
    start_time: datetime | None = Field(
        None, description="start with the first record that Kafka took at or after this time; in place of start_from"
    )
    bounded: bool = Field(False, description="stop at the end of the topic as it was at the start (backfill)")
    delivery: Literal["at-least-once", "exactly-once"] = "at-least-once"
    transaction_timeout_ms: int = Field(900_000, ge=1000)
    emit_scores: bool = Field(False, description="write every score to the scores topic")
    redis: bool = Field(True, description="write live state and alerts to Redis")
    live_per_second: int = Field(64, ge=0, description="series per shard whose live state is written each second")
    points_per_second: int = Field(
        100, ge=0, description="recent points per shard and second written for the page; busier shards write none"
    )
    report_share: float = Field(
        0.1, gt=0, le=1, description="largest share of a core spent on live state and recent points"
    )
    feedback_step: float = Field(
        0.1, ge=0, le=1, description="share by which a dismissed incident raises the limits of its series"
    )
    feedback_most: float = Field(
        2.0, ge=1, description="largest factor that dismissed incidents put on a series' limits"
    )
    checkpoint_interval_ms: int = Field(10_000, ge=100)
    checkpoint_dir: str = Field("", description="URI; empty = what the cluster is configured with")
    state_backend: Literal["hashmap", "rocksdb"] = "hashmap"
    restart_attempts: int = Field(
        1_000_000, ge=0, description="restarts before the job fails; the pause between them grows to a minute"
    )
    scoring_threads: int = Field(
        0, ge=0, description="threads of a subtask that share the windows of a micro-batch; 0 = cores / parallelism"
    )
    bundle_events: int = Field(
        0, ge=0, description="micro-batches sent to Python at once; 0 = as many as come at once: shards per subtask"
    )
    bundle_ms: int = Field(20, ge=1, description="longest wait of a micro-batch for others")

    @field_validator("start_time")
    @classmethod
    def _in_utc(cls, found: datetime | None) -> datetime | None:
        return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


class RegistrySettings(Group):
    """Which models the job takes from the registry's topic, and how they are signed."""

    signing_key: SecretStr | None = Field(
        None, description="signs what is published; a job that has it refuses what is not signed with it"
    )
    signing_key_file: str | None = Field(None, description="file that holds the key, in its place")
    uri_schemes: str = Field("file,s3,https", description="schemes of artifact URIs; comma separated")
    uri_prefixes: str = Field(
        "", description="artifact URIs must start with one of these; comma separated; empty = any of the schemes"
    )


class DetectorSettings(Group):
    """What to train and to run by default."""

    type: str = Field("", description="run only detectors of this kind; comma separated; empty = all published")
    window_size: int = Field(200, ge=2, description="points")
    contamination: float = Field(0.05, gt=0, lt=0.5)


class ProducerSettings(Group):
    """How the producers replay data."""

    start_offset: int = Field(0, ge=0, description="rows skipped at the start of a file")
    loop: bool = Field(False, description="start again at the end, with event time moving on")
    delay_seconds: float = Field(0.0, ge=0, description="pause after each message")


class StackSettings(Group):
    """The embedded local stack: everything on loopback."""

    data_dir: str = Field(".eddy", description="folder of data, logs and pid files")
    host: str = "127.0.0.1"
    kafka_port: int = Field(19092, ge=1, le=65535)
    kafka_controller_port: int = Field(19093, ge=1, le=65535)
    redis_port: int = Field(16379, ge=1, le=65535)
    flink_rest_port: int = Field(18081, ge=1, le=65535)
    flink_rpc_port: int = Field(16123, ge=1, le=65535)
    dashboard_port: int = Field(8050, ge=1, le=65535)
    dashboard: bool = Field(True, description="run the page with the stack")
    kafka_heap_mb: int = Field(768, ge=128)
    jobmanager_memory_mb: int = Field(1024, ge=512)
    taskmanager_memory_mb: int = Field(3072, ge=1024)
    taskmanagers: int = Field(1, ge=1)
    slots: int = Field(2, ge=1)
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Flink's Prometheus reporter: JobManager's port, TaskManagers' above; it listens on all addresses; "
        "0 = off",
    )
    partitions: int = Field(4, ge=1, description="of the observations topic")
    wait_seconds: float = Field(90, gt=0, description="longest wait for a service to answer")


class DashboardSettings(Group):
    """The page: where it listens, how often it looks, how much it remembers."""

    host: str = Field("127.0.0.1", description="address to listen on; beyond loopback, what writes asks for the token")
    port: int = Field(8050, ge=1, le=65535)
    token: SecretStr | None = Field(None, description="asked for by everything that writes, where it is set")
    token_file: str | None = Field(None, description="file that holds the token, in its place")
    flink: str = Field("", description="host:port of Flink's REST API; empty = the local stack's")
    refresh_ms: int = Field(1000, ge=100, le=60_000, description="pause between two looks at the sources")
    threads: int = Field(8, ge=1, le=256, description="requests that are answered at the same time")
    alerts_kept: int = Field(20_000, ge=100, description="messages read back from the alerts topic, and kept")
    letters_kept: int = Field(5_000, ge=100, description="messages read back from the dead letters, and kept")
    points_kept: int = Field(2_000_000, ge=1000, description="points in memory, of all series that are looked at")
    history_messages: int = Field(
        5_000_000, ge=0, description="observations read back for a series that is looked at; 0 = none"
    )
    silent_seconds: int = Field(300, ge=1, description="wall-clock silence after which a series counts as silent")


class Settings(Group):
    """All settings. Build one with :func:`eddy.configuration.load`."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    topics: TopicSettings = TopicSettings()
    job: JobSettings = JobSettings()
    alerts: AlertSettings = AlertSettings()
    learning: LearningSettings = LearningSettings()
    registry: RegistrySettings = RegistrySettings()
    detector: DetectorSettings = DetectorSettings()
    producer: ProducerSettings = ProducerSettings()
    dashboard: DashboardSettings = DashboardSettings()
    stack: StackSettings = StackSettings()
    wait_for_app: bool = Field(True, description="producers wait until the job runs before they send")
