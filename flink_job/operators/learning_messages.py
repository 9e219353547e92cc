"""What the job says about series that change: drift messages, and requests for the trainer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eddy.flink_job.wire.frames import DRIFT, TRAINING
from eddy.learning_settings import LearningSettings
from eddy.models.drift.monitor import DriftOptions
from eddy.models.engine.cold_start import ColdStart
from eddy.models.engine.engine import BatchResult
from eddy.models.engine.scoring_stats import ScoringStats
from eddy.models.serving.model_set import ModelSet
from eddy.training_request import TrainingRequest

if TYPE_CHECKING:
    from eddy.flink_job.operators.shard import ShardOptions

MODEL_STATS_PERIOD_MS = 5_000


def figures(model: str, version: int, stats: ScoringStats, now: int, shard: int) -> bytes:
    """What a version did in one shard since the last message."""
    told = {"schema": 1, "ts": now, "model": model, "version": version, "shard": shard, **vars(stats)}
    return json.dumps(told).encode()


def drift_options(settings: LearningSettings) -> DriftOptions | None:
    """How the engine follows drift; None: it does not."""
    if not settings.drift:
        return None
    return DriftOptions(
        settings.min_drift_points, max_factor=settings.max_drift_factor, ask_after=settings.retrain_after_points
    )


def cold_options(settings: LearningSettings) -> ColdStart | None:
    """How series without a model begin; None: they wait."""
    if not settings.cold_start:
        return None
    return ColdStart(settings.cold_start_train_after_points if settings.cold_start_model_detector else 0)


def messages(
    result: BatchResult, models: ModelSet, now: int, options: ShardOptions
) -> Iterator[tuple[int, bytes, bytes]]:
    """(role, key, value) of each message that a batch led to."""
    for model, series, drift in result.drifts:
        way = "up" if drift.direction > 0 else "down"
        told = {
            "schema": 1, "ts": now, "job": options.engine.job, "event": "drift", "model": model,
            "version": models.models[model].manifest.version, "series": series, "stream": drift.stream,
            "feature": drift.feature, "direction": way,
            "since": drift.since, "at": drift.at,
            "reason": " ".join(part for part in (f"{series}:", drift.stream, drift.feature, way) if part),
        }  # fmt: skip
        yield DRIFT, series.encode(), json.dumps(told).encode()
    since: dict[str, dict[str, int]] = {}
    for model, series, wanted in result.retrain_requests:
        since.setdefault(model, {})[series] = wanted.since
    for model, own in since.items():
        yield TRAINING, model.encode(), TrainingRequest(model, "drift", now, own).to_json()
    learning = options.learning
    if result.cold:  # one model for all of them: requests join each other
        request = TrainingRequest(
            learning.cold_start_model,
            "cold-start",
            now,
            detector=learning.cold_start_model_detector,
            series=(learning.cold_start_series,),
        )
        yield TRAINING, learning.cold_start_model.encode(), request.to_json()
