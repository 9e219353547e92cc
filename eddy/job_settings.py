"""Define the settings of the Flink job."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self  # in 'typing' only since Python 3.11, and the client runs on older ones

from eddy.event_times import ANY_TIME, TimeRange, epoch_ms, read_time
from eddy.settings_group import Group

_PLACE = re.compile(r"[A-Za-z0-9._-]{1,249}(:(0|[1-9][0-9]{0,18})){2}")  # a topic as Kafka allows it


class JobSettings(Group):
    """Configure the Flink job: parallelism, micro-batches, event time, delivery, checkpoints, and what it reports.

    Examples:
        >>> JobSettings(parallelism=4, shards=64).shards
        64
        >>> JobSettings(start_time="2026-11-01T00:00").start_time.isoformat()
        '2026-11-01T00:00:00+00:00'
        >>> JobSettings(sinks="redis, jsonl:/var/log/alerts.jsonl").sink_names
        ('redis', 'jsonl:/var/log/alerts.jsonl')
        >>> JobSettings().sink_names, JobSettings(redis=False).sink_names
        (('redis',), ())
    """

    name: str = Field("eddy", description="name of the job; also part of its alerts")
    group: str = Field(
        "", description="consumer group, and beginning of further groups and of transactional ids; default: job.name"
    )
    parallelism: int = Field(1, ge=1, description="subtasks of each operator")
    shards: int = Field(
        16, ge=1, le=1024, description="parts of the series' state; cannot be changed after the first deployment"
    )
    max_parallelism: int = Field(
        128, ge=1, le=32768, description="Flink's limit for rescaling; cannot be changed after the first deployment"
    )
    execution_mode: Literal["process", "thread"] = Field("process", description="where Flink runs the Python code")
    batch_ms: int = Field(50, ge=1, le=10_000, description="longest time that an event waits in a micro-batch, ms")
    batch_max_events: int = Field(
        8192, ge=1, le=1_000_000, description="events of one shard at which the micro-batches of all shards are sent"
    )
    batch_max_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="bytes of one shard at which the micro-batches of all shards are sent"
    )
    max_event_bytes: int = Field(1024 * 1024, ge=64, description="a larger observation becomes a dead letter, bytes")
    skip: tuple[str, ...] = Field(
        (),
        description="records of the observations and feedback topics that are not handled, each "
        "TOPIC:PARTITION:OFFSET; a list, or text with commas; 'eddy job skip' sets it",
    )
    accept_templates: bool = Field(
        False,
        description="start from state that was written with another series template of an input source: what was "
        "learnt of the series of before stays with their names",
    )
    out_of_orderness_ms: int = Field(
        0, ge=0, description="event time that the reorder buffer waits for late points; 0 = score in order of arrival"
    )
    hold_timeout_ms: int = Field(
        5000, ge=0, description="wall-clock time after which the reorder buffer releases its events; 0 = never"
    )
    max_held_events: int = Field(
        250_000, ge=1, description="events that the reorder buffer of a shard holds; beyond it, it releases all of them"
    )
    max_ahead_ms: int = Field(
        86_400_000,
        ge=0,
        description="an event whose time is further ahead of its Kafka timestamp becomes a dead letter; 0 = no limit",
    )
    max_series: int = Field(
        100_000, ge=1, description="series that one shard keeps; events of further ones become dead letters"
    )
    max_models: int = Field(1000, ge=1, description="models that the job keeps; messages of further ones are refused")
    max_model_bytes: int = Field(
        256 * 1024 * 1024,
        ge=0,
        description="memory that the windows and states of one model may take in each shard, bytes; it scores no "
        "further series; 0 = no limit",
    )
    min_event_time: datetime = Field(
        datetime(1990, 1, 1, tzinfo=timezone.utc),
        description="an observation of an earlier time becomes a dead letter, as do seconds read as milliseconds",
    )
    max_event_time: datetime = Field(
        datetime(2100, 12, 31, 23, 59, 59, 999_000, tzinfo=timezone.utc),
        description="an observation of a later time becomes a dead letter",
    )
    max_pending_per_series: int = Field(
        512, ge=0, description="events kept per series that no model applies to yet; older ones are dropped"
    )
    state_ttl_ms: int = Field(
        7 * 86_400_000, ge=0, description="wall-clock silence after which the state of a series is removed; 0 = never"
    )
    start_from: Literal["earliest", "latest", "committed"] = Field(
        "earliest", description="offsets to start with, unless the job starts from a savepoint"
    )
    start_time: datetime | None = Field(
        None,
        description="start with the first record that Kafka took at or after this time; used instead of start_from",
    )
    bounded: bool = Field(False, description="stop at what was the end of the topic at the start (backfill)")
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once", description="guarantee of the output topics; exactly-once writes in transactions"
    )
    transaction_timeout_ms: int = Field(
        0,
        ge=0,
        description="time-out of exactly-once transactions, ms: a longer outage can lose alerts; 0 = the longest that "
        "the broker allows (its transaction.max.timeout.ms)",
    )
    emit_scores: bool = Field(False, description="write the score of every point to the scores topic")
    redis: bool = Field(True, description="write live state and alerts to Redis, unless sinks are given")
    sinks: tuple[str, ...] = Field(
        (),
        description="where alerts and live state go besides Kafka: names of sinks, each with an argument after a colon "
        "where it takes one; a list, or text with commas; used instead of job.redis",
    )
    format: str = Field("json", min_length=1, description="message format of the observations, with its argument")
    live_per_second: int = Field(64, ge=0, description="series whose live state each shard writes per second; 0 = none")
    points_per_second: int = Field(
        100,
        ge=0,
        description="recent points that each shard writes per second for the dashboard; busier shards write none",
    )
    report_share: float = Field(
        0.1, gt=0, le=1, description="largest share of a core spent on live state and recent points"
    )
    feedback_step: float = Field(
        0.1, ge=0, le=1, description="share by which a dismissed incident raises the limits of its series"
    )
    max_feedback_factor: float = Field(
        2.0, ge=1, description="largest factor by which dismissed incidents raise the limits of a series"
    )
    checkpoint_interval_ms: int = Field(10_000, ge=100, description="time between two checkpoints, ms")
    checkpoint_dir: str = Field("", description="URI of the checkpoints' folder; empty = as the cluster is configured")
    state_backend: Literal["hashmap", "rocksdb"] = Field("hashmap", description="where Flink keeps state: heap or disk")
    restart_attempts: int = Field(
        1_000_000, ge=0, description="restarts before the job fails; the pause between them grows to a minute"
    )
    scoring_threads: int = Field(
        0, ge=0, description="threads with which a subtask scores a micro-batch; 0 = cores / parallelism"
    )
    bundle_events: int = Field(
        0, ge=0, description="micro-batches that Flink hands to Python at once; 0 = the number of shards per subtask"
    )
    bundle_ms: int = Field(20, ge=1, description="longest time that a micro-batch waits for others, ms")

    @property
    def group_id(self) -> str:
        """Return the job's consumer group."""
        return self.group or self.name

    @property
    def sink_names(self) -> tuple[str, ...]:
        """Return the sinks in use: those that are given, else Redis unless it is turned off."""
        return self.sinks or (("redis",) if self.redis else ())

    @property
    def event_times(self) -> TimeRange:
        """Return the event times that are taken, of the job's input and of training data alike."""
        return TimeRange(epoch_ms(self.min_event_time), epoch_ms(self.max_event_time))

    @field_validator("sinks", "skip", mode="before")
    @classmethod
    def _list_from_text(cls, found: Any) -> Any:
        """Read a list from JSON or from text with commas, as the environment and the command line give it."""
        if not isinstance(found, str):
            return found
        if found.lstrip().startswith("["):
            return json.loads(found)
        return tuple(part.strip() for part in found.split(",") if part.strip())

    @field_validator("sinks")
    @classmethod
    def _each_sink_once(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(found)) < len(found) or not all(found):
            raise ValueError("expected each sink once, and none without a name")
        return found

    @field_validator("skip")
    @classmethod
    def _places(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        for text in found:
            if not _PLACE.fullmatch(text):
                raise ValueError(f"found {text!r}, expected TOPIC:PARTITION:OFFSET, such as eddy.observations:3:10442")
        return found

    @field_validator("start_time", "min_event_time", "max_event_time", mode="before")
    @classmethod
    def _as_in_messages(cls, found: Any) -> Any:
        """Read a time as those of messages are read, without a zone as UTC; pydantic takes 20250101 for an epoch."""
        if not isinstance(found, datetime) and found is not None:
            found = datetime.fromtimestamp(read_time(found, "auto", ANY_TIME) / 1000, timezone.utc)
        return found.replace(tzinfo=timezone.utc) if found is not None and found.tzinfo is None else found

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.min_event_time > self.max_event_time:
            raise ValueError("expected min_event_time at or before max_event_time")
        return self
