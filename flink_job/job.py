"""The job's graph, from source to sink."""

from __future__ import annotations

from pydantic import SecretStr
from pyflink.datastream import StreamExecutionEnvironment

from eddy.configuration import as_text, flatten
from eddy.settings import Settings
from flink_job import edges
from flink_job.grouping import Grouping
from flink_job.scoring import MODELS, Scoring


def build(env: StreamExecutionEnvironment, settings: Settings) -> None:
    """Add the graph to an environment.

    ::

        Kafka observations ─▶ shards (frames) ─▶ keyed by shard ─┐
                                  │                              ├─▶ score ─▶ records ─▶ Kafka alerts, scores,
        Kafka models ─────────────┼──── broadcast ───────────────┘     │                 dead letters, events
                                  └── oversized ───────────────────────┼──────▶ (dead letters)
                                                                       ├─▶ Redis (live state, alerts)
                                               alerts, under one key ──┴─▶ group ─▶ Kafka alerts, Redis (groups)
    """
    observations = edges.Observations(env, settings)
    models = edges.models(env, settings)
    records = (
        observations.by_shard()
        .connect(models.broadcast(MODELS))
        .process(Scoring(without_secrets(settings)), output_type=edges.BYTES)
        .name("score")
        .uid("score")
    )
    leaving = records.union(observations.oversized())
    if settings.alerts.group_series:
        groups = (
            edges.alerts(records, settings)
            .process(Grouping(without_secrets(settings)), output_type=edges.BYTES)
            .name("group")
            .uid("group")
        )
        groups.set_parallelism(1)
        leaving = leaving.union(groups)
    edges.publish(leaving, settings)


def without_secrets(settings: Settings) -> list[str]:
    """Settings that differ from the defaults, as ``key=value``: they travel in the job graph, secrets do not."""
    defaults = dict(flatten(Settings()))
    return [
        f"{key}={as_text(value)}"
        for key, value in flatten(settings)
        if value != defaults[key] and value is not None and not isinstance(value, SecretStr)
    ]
