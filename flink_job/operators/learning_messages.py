"""Encode what the job reports about its models and changing series: drift, training requests, scoring statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator

from eddy.flink_job.wire.frames import DRIFT, TRAINING
from eddy.learning_settings import LearningSettings
from eddy.models.engine.engine import BatchResult
from eddy.models.engine.rollout import ScoringStats
from eddy.models.serving.model_set import ModelSet
from eddy.training_request import TrainingRequest

MODEL_STATS_PERIOD_MS = 5_000
_SERIES_PER_REQUEST = 200  # so that a request stays far below the largest message, however long the names are


def figures(model: str, version: int, stats: ScoringStats, now: int, shard: int) -> bytes:
    """Encode what a model version did in one shard since the last such message."""
    fields = {"schema": 1, "ts": now, "model": model, "version": version, "shard": shard, **vars(stats)}
    return json.dumps(fields).encode()


def messages(
    result: BatchResult, models: ModelSet, now: int, job: str, learning: LearningSettings
) -> Iterator[tuple[int, bytes, bytes]]:
    """Encode drift messages and training requests of a batch.

    Args:
        result: of the batch.
        models: the model set that the engine follows.
        now: wall clock, epoch ms.
        job: name of the job, part of drift messages.
        learning: settings that say which model the trainer makes for series without one.

    Yields:
        (role, key, value) of each message.
    """
    for model, series, drift in result.drifts:
        way = "up" if drift.direction > 0 else "down"
        fields = {
            "schema": 1, "ts": now, "job": job, "event": "drift", "model": model,
            "version": models.models[model].manifest.version, "series": series, "stream": drift.stream,
            "feature": drift.feature, "direction": way,
            "since": drift.since, "at": drift.at,
            "reason": " ".join(part for part in (f"{series}:", drift.stream, drift.feature, way) if part),
        }  # fmt: skip
        yield DRIFT, series.encode(), json.dumps(fields).encode()
    since: dict[str, dict[str, int]] = {}
    for model, series, wanted in result.retrain_requests:
        since.setdefault(model, {})[series] = wanted.since
    for model, own in since.items():
        changed = list(own.items())
        for k in range(0, len(changed), _SERIES_PER_REQUEST):  # the trainer joins them
            request = TrainingRequest(model, "drift", now, dict(changed[k : k + _SERIES_PER_REQUEST]))
            yield TRAINING, model.encode(), request.to_json()
    if result.cold:  # one model for all of these series: the trainer joins the requests of all shards
        request = TrainingRequest(
            learning.cold_start_model,
            "cold-start",
            now,
            detector=learning.cold_start_model_detector,
            series=(learning.cold_start_series,),
        )
        yield TRAINING, learning.cold_start_model.encode(), request.to_json()
