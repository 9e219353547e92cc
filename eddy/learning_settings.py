"""Define the settings of everything that learns while the job runs: cold start, drift, the trainer, roll-out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eddy.settings_group import Group


class LearningSettings(Group):
    """Configure learning. The job handles cold start and drift; ``eddy trainer`` handles everything else.

    Examples:
        >>> LearningSettings(cold_start="auto", warmup_points=100).warmup_points
        100
        >>> LearningSettings().max_alarm_ratio
        3.0
    """

    cold_start: str = Field(
        "",
        description="detector that scores series without a published model from their first points on: auto (or "
        "novelty, the default before it); empty = such series wait for a model",
    )
    warmup_points: int = Field(
        0,
        ge=0,
        le=2000,
        description="first points of such a series, from which scale and past are learned, 20 to 239 for auto; novelty "
        "scores none of them; 0 = what the detector usually takes (auto 200, novelty 250)",
    )
    cold_start_model_detector: str = Field(
        "", description="kind of detector that the trainer fits for such series; empty = none is trained"
    )
    cold_start_train_after_points: int = Field(
        1000, ge=1, description="points of such a series after which the job requests training"
    )
    cold_start_model: str = Field(
        "family", description="name of the model that the trainer fits for all such series together"
    )
    cold_start_series: str = Field("*", description="pattern of the series that this model applies to, also later ones")

    drift: bool = Field(
        False, description="detect lasting changes: report them, adapt the limits, request a new version"
    )
    min_drift_points: int = Field(
        48, ge=2, description="points after which a change counts as lasting; two windows of the model if that is more"
    )
    max_drift_factor: float = Field(50, ge=1, description="largest factor by which drift raises the limit of a series")
    retrain_after_points: int = Field(
        200, ge=1, description="points after a drift before the job requests a new version of the model"
    )

    model_stats: bool = Field(
        True, description="report every 5 s how often each version alerts; its roll-out is decided by this"
    )
    rollout: Literal["live", "shadow", "canary"] = Field(
        "live", description="how the trainer publishes a better version: in full use, or beside the version in use"
    )
    canary_share: float = Field(0.1, ge=0, le=1, description="share of the series for which a canary version notifies")
    windows_per_stage: int = Field(
        2_000, ge=1, description="windows that a version must score in each stage before the next decision"
    )
    max_alarm_ratio: float = Field(
        3.0, ge=1, description="a version is rolled back if its alarm rate is more than so many times that of the other"
    )
    ignored_alarm_rate: float = Field(0.01, ge=0, le=1, description="up to this alarm rate no version is rolled back")

    min_f1_gain: float = Field(
        0.05, ge=0, le=1, description="gain in hold-out F1 that a new version needs to replace the version in use"
    )
    min_first_f1: float = Field(0.3, ge=0, le=1, description="hold-out F1 that the first version of a model needs")
    holdout: float = Field(0.3, gt=0, lt=0.9, description="newest share of the history, kept for evaluation")
    history_points: int = Field(20_000, ge=100, description="newest points of each series that the trainer reads")
    max_excluded_points: int = Field(
        40,
        ge=1,
        description="incidents with fewer anomalous points are excluded from training; longer ones count as a lasting "
        "change and are trained on",
    )
    max_pending_requests: int = Field(64, ge=1, description="training requests that may wait; more are refused")
    min_seconds_between_trainings: float = Field(600, ge=0, description="pause between two trainings of one model")
    schedule_hours: float = Field(
        0, ge=0, description="hours after which each model is trained again; 0 = only on request"
    )
    max_fit_seconds: float = Field(900, gt=0, description="longest time that one training may take, seconds")
    max_fit_memory_mb: int = Field(4096, ge=256, description="most memory that one training may use, MB")
