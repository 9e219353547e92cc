"""Define one typed configuration for every part of Eddy.

Precedence, lowest first: defaults, YAML file, the original system's plain variables
(``DETECTOR_TYPE`` …), ``EDDY_…`` environment variables, ``--set key=value``.

A key is written ``group.name`` in YAML and on the command line, and ``EDDY_GROUP_NAME`` in the
environment. An unknown key is an error that names the nearest known one. A name of an earlier release works for one
more release and logs a warning (:mod:`eddy.renamed_settings`).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from eddy.aggregate_settings import check_joins
from eddy.alert_settings import AlertSettings
from eddy.connection_settings import KafkaSettings, RedisSettings, SchemaRegistrySettings, TopicSettings
from eddy.input_settings import InputSource
from eddy.job_settings import JobSettings
from eddy.learning_settings import LearningSettings
from eddy.settings_group import Group, from_json

__all__ = [
    "AlertSettings",
    "DashboardSettings",
    "DetectorSettings",
    "Group",
    "InputSource",
    "JobSettings",
    "KafkaSettings",
    "LearningSettings",
    "ProducerSettings",
    "RedisSettings",
    "RegistrySettings",
    "Settings",
    "StackSettings",
    "TopicSettings",
]


class RegistrySettings(Group):
    """Choose which models the job accepts from the registry's topic, and how they are signed.

    Examples:
        >>> RegistrySettings(uri_prefixes="s3://models/").uri_prefixes
        's3://models/'
    """

    signing_key: SecretStr | None = Field(
        None, description="key that signs published models; a job that has it refuses models not signed with it"
    )
    signing_key_file: str | None = Field(None, description="file that holds the signing key; used instead of it")
    uri_schemes: str = Field("file,s3,https", description="allowed schemes of artifact URIs, comma separated")
    uri_prefixes: str = Field(
        "",
        description="servers, buckets and folders that artifacts may come from, such as s3://models/team-a, comma "
        "separated; empty = any",
    )
    fetch_timeout_ms: int = Field(30_000, ge=100, description="longest time that fetching one artifact may take, ms")
    ssl_cafile: str | None = Field(
        None, description="CA certificates (PEM) of the servers that artifacts come from; empty = the system's"
    )


class DetectorSettings(Group):
    """Choose what is trained and run by default.

    Examples:
        >>> DetectorSettings(type="isolation-forest").window_size
        96
    """

    type: str = Field("", description="run only detectors of these kinds, comma separated; empty = all published ones")
    window_size: int = Field(96, ge=2, description="points of a window")
    value_type: Literal["auto", "gauge", "counter"] = Field(
        "auto",
        description="what is scored of series without a model, and by models trained without a type of their own: "
        "gauge, the value; counter, its increase from point to point; auto, the increase where a series is found to be "
        "a counter, one that only grows but for resets",
    )
    contamination: float = Field(0.05, gt=0, lt=0.5, description="expected share of anomalous points in training data")
    false_alarms_per_week: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="sensitivity: false alarms that each series may raise a week, the same for every detector; for "
        "models trained without a threshold of their own, and for series without a model; empty: 1, but for the "
        "detectors that name another threshold (docs/thresholds.md)",
    )


class ProducerSettings(Group):
    """Control how the producers replay data.

    Examples:
        >>> ProducerSettings(loop=True, delay_seconds=0.5).delay_seconds
        0.5
    """

    start_offset: int = Field(0, ge=0, description="rows skipped at the start of a file")
    loop: bool = Field(False, description="start again at the end of the file, with event time moving on")
    delay_seconds: float = Field(0.0, ge=0, description="pause after each message, seconds")


class StackSettings(Group):
    """Configure the embedded local stack. Everything but Flink's metrics listens on loopback only.

    Examples:
        >>> StackSettings(taskmanagers=2, slots=4).slots
        4
    """

    data_dir: str = Field(".eddy", description="folder of data, logs and pid files")
    host: str = Field("127.0.0.1", description="address that the services listen on")
    kafka_port: int = Field(19092, ge=1, le=65535, description="port of the broker")
    kafka_controller_port: int = Field(19093, ge=1, le=65535, description="port of the broker's controller")
    redis_port: int = Field(16379, ge=1, le=65535, description="port of Redis")
    flink_rest_port: int = Field(18081, ge=1, le=65535, description="port of Flink's REST API")
    flink_identity: str = Field(
        "",
        description="folder with the certificate.pem and key.pem that Flink's REST API asks of its clients; "
        "empty = the local stack's own, made by 'eddy up'; other clusters are then reached without TLS",
    )
    flink_rpc_port: int = Field(16123, ge=1, le=65535, description="port of Flink's JobManager")
    dashboard_port: int = Field(8050, ge=1, le=65535, description="port of the dashboard")
    dashboard: bool = Field(True, description="run the dashboard with the stack")
    kafka_heap_mb: int = Field(768, ge=128, description="heap of the broker, MB")
    redis_memory_mb: int = Field(
        1024, ge=16, description="memory of Redis for data, MB; when it is full, writes wait and nothing is evicted"
    )
    jobmanager_memory_mb: int = Field(1024, ge=512, description="memory of the JobManager, MB")
    taskmanager_memory_mb: int = Field(3072, ge=1024, description="memory of each TaskManager, MB")
    taskmanagers: int = Field(1, ge=1, description="number of TaskManagers")
    slots: int = Field(2, ge=1, description="task slots of each TaskManager")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="port of the JobManager's Prometheus reporter, with the TaskManagers' ports above it; "
        "it listens on all addresses; 0 = off",
    )
    partitions: int = Field(4, ge=1, description="partitions of the observations topic")
    wait_seconds: float = Field(90, gt=0, description="longest time to wait for a service to answer, seconds")


class DashboardSettings(Group):
    """Configure the dashboard: where it listens, how often it refreshes, how much it keeps in memory.

    Examples:
        >>> DashboardSettings(max_dead_letters=200).max_dead_letters
        200
    """

    host: str = Field(
        "127.0.0.1", description="address to listen on; beyond loopback, every request that writes needs the token"
    )
    port: int = Field(8050, ge=1, le=65535, description="port to listen on")
    token: SecretStr | None = Field(None, description="token that every request that writes needs, where it is set")
    token_file: str | None = Field(None, description="file that holds the token; used instead of it")
    flink: str = Field("", description="host:port of Flink's REST API; empty = that of the local stack")
    refresh_ms: int = Field(1000, ge=100, le=60_000, description="time between two reads of Kafka, Redis and Flink, ms")
    threads: int = Field(8, ge=1, le=256, description="requests answered at the same time")
    max_alerts: int = Field(20_000, ge=100, description="newest messages of the alerts topic that are read and kept")
    max_dead_letters: int = Field(5_000, ge=100, description="newest dead letters that are read and kept")
    max_points: int = Field(2_000_000, ge=1000, description="points kept in memory, over all series being viewed")
    history_messages: int = Field(
        5_000_000, ge=0, description="observations read back for a series being viewed; 0 = none"
    )
    silent_seconds: int = Field(300, ge=1, description="wall-clock time without points after which a series is silent")


class Settings(Group):
    """Hold all settings. :func:`eddy.configuration.load` builds them from file, environment and command line.

    Examples:
        >>> Settings().job.parallelism
        1
        >>> from eddy.configuration import load
        >>> load(["job.parallelism=2"], environ={}).settings.job.parallelism
        2
    """

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    topics: TopicSettings = TopicSettings()
    job: JobSettings = JobSettings()
    alerts: AlertSettings = AlertSettings()
    learning: LearningSettings = LearningSettings()
    registry: RegistrySettings = RegistrySettings()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    detector: DetectorSettings = DetectorSettings()
    producer: ProducerSettings = ProducerSettings()
    dashboard: DashboardSettings = DashboardSettings()
    stack: StackSettings = StackSettings()
    wait_for_app: bool = Field(True, description="producers wait until the job runs before they send")
    input: tuple[InputSource, ...] = Field(
        (), description="topics that other programs write, with the mapping of their messages; the job reads none yet"
    )

    @field_validator("input", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Read the list from JSON, as the environment and the command line give it."""
        return from_json(value, "a JSON list of sources")

    @field_validator("input")
    @classmethod
    def _joined(cls, value: tuple[InputSource, ...]) -> tuple[InputSource, ...]:
        check_joins({f"input.{at}": source.aggregate for at, source in enumerate(value) if source.aggregate})
        return value
