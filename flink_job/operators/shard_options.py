"""Derive what a shard needs to know from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from eddy.flink_job.operators.learning_messages import cold_options, drift_options
from eddy.learning_settings import LearningSettings
from eddy.models.alerting.feedback import FeedbackOptions
from eddy.models.engine.options import EngineOptions
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
        engine, learning: options of the engine, and settings of learning.
        mark: whether to mark each checkpoint for the operators after this one.
    """

    number: int
    shards: int
    observations: str
    max_ahead_ms: int
    pending_per_series: int
    engine: EngineOptions
    learning: LearningSettings = field(default_factory=LearningSettings)
    mark: bool = False


def shard_options(settings: Settings, number: int) -> ShardOptions:
    """Derive the options of one shard."""
    job, learning = settings.job, settings.learning
    return ShardOptions(
        number=number,
        shards=job.shards,
        observations=settings.topics.name("observations"),
        max_ahead_ms=job.max_ahead_ms,
        pending_per_series=job.max_pending_per_series,
        mark=settings.alerts.group_series > 0,
        learning=learning,
        engine=EngineOptions(
            out_of_orderness_ms=job.out_of_orderness_ms,
            hold_timeout_ms=job.hold_timeout_ms,
            state_ttl_ms=job.state_ttl_ms,
            live_per_second=job.live_per_second if job.sink_names else 0,
            points_per_second=job.points_per_second if job.sink_names else 0,
            report_scores=job.emit_scores,
            feedback=FeedbackOptions(job.feedback_step, job.max_feedback_factor),
            alerts=settings.alerts,
            drift=drift_options(learning),
            figures=learning.model_stats,
            cold=cold_options(learning),
            threads=job.scoring_threads or max(1, cores() // job.parallelism),
            job=job.name,
        ),
    )
