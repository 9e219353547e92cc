"""Settings of everything that learns while the job runs: cold start, drift, the trainer, roll-out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LearningSettings(BaseModel):
    """Cold start and drift happen in the job; the rest is what ``eddy trainer`` does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cold_start: str = Field(
        "",
        description="detector that watches series which no published model judges, from their first points on; "
        "novelty or another that needs no training; empty = they wait for a model",
    )
    warm_up: int = Field(250, ge=20, le=2000, description="points of such a series before it is watched")
    cold_detector: str = Field("", description="detector that the trainer fits for such series; empty = none")
    cold_ask_after: int = Field(1000, ge=1, description="points of such a series before the trainer is asked")
    family: str = Field("family", description="name of the model that the trainer fits for all such series together")
    family_series: str = Field("*", description="pattern of the series of that model; new ones are covered at once")

    drift: bool = Field(False, description="find lasting changes: tell them, let limits follow, ask for a new model")
    drift_lasting: int = Field(
        48, ge=2, description="points after which a change is lasting; two windows of the model where that is more"
    )
    drift_most: float = Field(50, ge=1, description="largest factor that a drift puts on the limit of a series")
    ask_after: int = Field(200, ge=1, description="points after a drift before the job asks for a new model")

    figures: bool = Field(
        True, description="tell every 5 s how often each version alerts: its roll-out is judged by it"
    )
    rollout: Literal["live", "shadow", "canary"] = Field(
        "live", description="where a better version of the trainer starts: in full use, or beside the one in use"
    )
    canary_share: float = Field(0.1, ge=0, le=1, description="share of the series for which a canary calls people")
    stage_windows: int = Field(2_000, ge=1, description="windows that each stage, and a new version, is judged by")
    band: float = Field(3.0, ge=1, description="times the alarm rate of the version before that a new one may have")
    band_floor: float = Field(0.01, ge=0, le=1, description="alarm rate up to which no version is taken back")

    margin: float = Field(
        0.05, ge=0, le=1, description="F1 on the trial by which a challenger has to beat the model in use"
    )
    least_quality: float = Field(0.3, ge=0, le=1, description="F1 on the trial that the first version of a model needs")
    holdout: float = Field(0.3, gt=0, lt=0.9, description="newest share of the history, held back for the trial")
    history_points: int = Field(20_000, ge=100, description="newest points of each series that the trainer takes")
    escape_points: int = Field(
        40, ge=1, description="incidents of so many anomalous points are taken for a lasting change, and are trained on"
    )
    most_pending: int = Field(64, ge=1, description="training requests that wait; more are refused")
    least_between_s: float = Field(600, ge=0, description="pause between two trainings of one model, seconds")
    schedule_hours: float = Field(
        0, ge=0, description="train each model again after so many hours; 0 = only on request"
    )
    fit_seconds: float = Field(900, gt=0, description="longest time that one training may take")
    fit_memory_mb: int = Field(4096, ge=256, description="most memory that one training may take")
