"""Encode what leaves a shard as records of its topics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from eddy.flink_job.operators.event_messages import event_message
from eddy.flink_job.operators.learning_messages import figures, messages
from eddy.flink_job.operators.outputs import Outputs
from eddy.flink_job.operators.shard_options import ShardOptions
from eddy.flink_job.wire.frames import ALERTS, DLQ, EVENTS, FIGURES, SCORES, SHADOW, Records
from eddy.models.engine.batch_result import BatchResult
from eddy.models.engine.engine import Engine


def encode(outputs: Outputs, engine: Engine, options: ShardOptions, now: int, out: Records) -> None:
    """Add the records of what one frame led to; ``now`` is their Kafka timestamp, epoch ms."""
    job = options.engine.job
    for dead in outputs.dead_letters:
        out.add(DLQ, now, *dead.kept, dead.headers(options.observations))
    for event in outputs.events:
        out.add(EVENTS, now, *event_message(job, now, event))
    for result in outputs.results:
        for alert in result.alerts:
            out.add(ALERTS, now, alert.series.encode(), alert.to_json())
        for alert in result.shadow:
            out.add(SHADOW, now, alert.series.encode(), alert.to_json())
        if result.scores:
            for series, value in score_messages(result, engine):
                out.add(SCORES, now, series, value)
        if result.drifts or result.retrain_requests or result.cold:
            for role, key, value in messages(result, engine.models, now, job, options.learning):
                out.add(role, now, key, value)
    for model, version, stats in outputs.stats:
        out.add(FIGURES, now, model.encode(), figures(model, version, stats, now, options.number))


def score_messages(result: BatchResult, engine: Engine) -> Iterator[tuple[bytes, bytes]]:
    """Encode the score of every point: (key, value) of each message."""
    for model, slots, ts, scores, limits in result.scores:
        version = engine.models.models[model].manifest.version
        for slot, t, score, limit in zip(slots.tolist(), ts.tolist(), scores.tolist(), limits.tolist(), strict=True):
            series = str(engine.names[slot])
            message = {
                "schema": 1,
                "series": series,
                "ts": t,
                "score": score if math.isfinite(score) else None,
                "threshold": limit if math.isfinite(limit) else None,  # JSON has no infinity
                "model": model,
                "version": version,
            }
            yield series.encode(), json.dumps(message).encode()
