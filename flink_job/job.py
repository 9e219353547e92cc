"""The job's graph, from source to sink."""

from __future__ import annotations

from functools import partial

from pyflink.datastream import DataStream, StreamExecutionEnvironment

from eddy.flink_job.graph import java_pipeline
from eddy.flink_job.graph.functions import GroupingFunction, ReadingFunction, ScoringFunction
from eddy.flink_job.graph.settings_arguments import without_secrets
from eddy.flink_job.wire.flink_types import BYTES, MODELS
from eddy.settings import Settings


def build(env: StreamExecutionEnvironment, settings: Settings) -> None:
    """Add the graph to an environment.

    ::

        Kafka observations ─▶ shards (frames) ─▶ keyed by shard ─┐
        and input sources         │ └─▶ read ───────▲            ├─▶ score ─▶ records ─▶ Kafka alerts, scores,
        Kafka models ─────────────┼──── broadcast ───────────────┘     │                 dead letters, events
                                  └── oversized, skipped ──────────────┼──────▶ (dead letters)
                                                                       ├─▶ Redis (live state, alerts)
                                               alerts, under one key ──┴─▶ group ─▶ Kafka alerts, Redis (groups)
    """
    observations = java_pipeline.Observations(env, settings, partial(_read, settings))
    models = java_pipeline.models(env, settings)
    records = (
        observations.by_shard()
        .connect(models.broadcast(MODELS))
        .process(ScoringFunction(without_secrets(settings)), output_type=BYTES)
        .name("score")
        .uid("score")
    )
    leaving = records.union(observations.unusable())
    if settings.alerts.group_series:
        groups = (
            java_pipeline.alerts(records, settings)
            .process(GroupingFunction(without_secrets(settings)), output_type=BYTES)
            .name("group")
            .uid("group")
        )
        groups.set_parallelism(1)
        leaving = leaving.union(groups)
    java_pipeline.publish(leaving, settings)


def _read(settings: Settings, unread: DataStream, cluster: int) -> DataStream:
    """Add the operator that reads those records of input sources that the JVM does not."""
    name = f"read-{cluster}" if cluster else "read"
    read = unread.process(ReadingFunction(without_secrets(settings), cluster), output_type=BYTES)
    return read.name(name).uid(name).start_new_chain()
