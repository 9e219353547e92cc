"""Options of an engine: the part of the job's settings that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from eddy.alert_settings import AlertSettings
from eddy.input_settings import InputSource
from eddy.learning_settings import LearningSettings
from eddy.models.alerting.feedback import FeedbackOptions
from eddy.models.drift.monitor import DriftOptions
from eddy.settings import Settings


@dataclass(frozen=True)
class ColdStart:
    """Options for series without a model.

    Attributes:
        ask_after: points of a series after which a trained model is requested; 0 = never.
    """

    ask_after: int = 0


@dataclass(frozen=True)
class EngineOptions:
    """Options of one shard's engine; see :class:`eddy.settings.JobSettings` for the meaning of each.

    Attributes:
        live_per_second: series whose live state is reported per second of wall clock; 0 = none.
        points_per_second: recent points reported per second of wall clock; 0 = none.
        report_scores: return every score.
        feedback: how far feedback raises limits.
        drift: how drift is followed; None: not at all.
        cold: how series without a model begin; None: they wait for one.
        figures: count what each version scores, see ``Engine.take_scoring_stats``.
        max_held_events: events in the reorder buffer; beyond it, all are released.
        max_model_bytes: memory that the windows and states of one model may take; 0 = no limit.
        threads: threads that share the windows of a batch.
        inputs: digest of the mappings that observations are read through; empty without any.
    """

    out_of_orderness_ms: int = 0
    hold_timeout_ms: int = 0
    state_ttl_ms: int = 0
    live_per_second: int = 0
    points_per_second: int = 0
    report_scores: bool = False
    feedback: FeedbackOptions = field(default_factory=FeedbackOptions)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    drift: DriftOptions | None = None
    cold: ColdStart | None = None
    figures: bool = False
    threads: int = 1
    max_held_events: int = 250_000
    max_model_bytes: int = 0
    job: str = "eddy"
    inputs: str = ""


def alerting_options(settings: Settings) -> EngineOptions:
    """Derive the options that decide what is alerted: the same in the job and in a replay of it."""
    job = settings.job
    return EngineOptions(
        out_of_orderness_ms=job.out_of_orderness_ms,
        hold_timeout_ms=job.hold_timeout_ms,
        max_held_events=job.max_held_events,
        feedback=FeedbackOptions(job.feedback_step, job.max_feedback_factor),
        alerts=settings.alerts,
        drift=_drift_options(settings.learning),
        job=job.name,
        inputs=_digest(settings.input),
    )


def _digest(sources: Sequence[InputSource]) -> str:
    """Identify what decides which observations a message becomes."""
    if not sources:
        return ""
    # without 'aggregate' they are what they were before there was such a thing
    every = [
        one.model_dump(mode="json", exclude={"kafka"} | ({"aggregate"} if one.aggregate is None else set()))
        for one in sources
    ]
    return hashlib.blake2b(json.dumps(every, sort_keys=True).encode(), digest_size=8).hexdigest()


def _drift_options(settings: LearningSettings) -> DriftOptions | None:
    if not settings.drift:
        return None
    return DriftOptions(
        settings.min_drift_points, max_factor=settings.max_drift_factor, ask_after=settings.retrain_after_points
    )


def cold_options(settings: LearningSettings) -> ColdStart | None:
    """Derive how series without a model begin from the settings; None: they wait for one."""
    if not settings.cold_start:
        return None
    return ColdStart(settings.cold_start_train_after_points if settings.cold_start_model_detector else 0)
