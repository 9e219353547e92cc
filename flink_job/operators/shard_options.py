"""Derive what a shard needs to know from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from eddy.input_settings import InputSource
from eddy.learning_settings import LearningSettings
from eddy.models.engine.options import EngineOptions, alerting_options, cold_options
from eddy.models.engine.threads import cores
from eddy.settings import Settings


@dataclass(frozen=True)
class ShardOptions:
    """Options of one shard.

    Attributes:
        number, shards: which shard, of how many.
        observations: name of the observations topic.
        max_ahead_ms: how far an event may lie ahead of its Kafka timestamp; 0 = no limit.
        pending_per_series: events kept of a series that no model applies to.
        max_series: series kept.
        engine, learning: options of the engine, and settings of learning.
        mark: whether to mark each checkpoint for the operators after this one.
        sources: of input, in the order of their numbers.
    """

    number: int
    shards: int
    observations: str
    max_ahead_ms: int
    pending_per_series: int
    engine: EngineOptions
    learning: LearningSettings = field(default_factory=LearningSettings)
    mark: bool = False
    max_series: int = 100_000
    sources: tuple[InputSource, ...] = ()


def shard_options(settings: Settings, number: int) -> ShardOptions:
    """Derive the options of one shard."""
    job, learning = settings.job, settings.learning
    return ShardOptions(
        number=number,
        shards=job.shards,
        observations=settings.topics.name("observations"),
        max_ahead_ms=job.max_ahead_ms,
        pending_per_series=job.max_pending_per_series,
        max_series=job.max_series,
        mark=settings.alerts.group_series > 0,
        learning=learning,
        sources=settings.input,
        engine=replace(
            alerting_options(settings),
            state_ttl_ms=job.state_ttl_ms,
            live_per_second=job.live_per_second if job.sink_names else 0,
            points_per_second=job.points_per_second if job.sink_names else 0,
            report_scores=job.emit_scores,
            figures=learning.model_stats,
            cold=cold_options(learning),
            max_model_bytes=job.max_model_bytes,
            threads=job.scoring_threads or max(1, cores() // job.parallelism),
        ),
    )
