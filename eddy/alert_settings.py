"""Settings of alerts: when an incident opens and closes, what is not alerted, what is grouped. See docs/alerts.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_REMEMBERED_VERDICTS = 32  # verdicts remembered per series: the largest ``of_points``


class AlertRules(BaseModel):
    """When anomalous points make an incident. Every rule has a default that a new user need not touch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open_points: int = Field(1, ge=1, le=MAX_REMEMBERED_VERDICTS, description="opens after so many anomalous points …")
    of_points: int = Field(1, ge=1, le=MAX_REMEMBERED_VERDICTS, description="… among the last so many (k of n)")
    close_after: int = Field(24, ge=1, description="closes after so many points in a row that are not anomalous …")
    close_after_ms: int = Field(0, ge=0, description="… and at least so much event time since the last anomalous one")
    close_ratio: float = Field(
        1.0,
        gt=0,
        le=1,
        description="while open, a point is anomalous down to so large a share of the limit (hysteresis)",
    )
    cool_down_ms: int = Field(
        0, ge=0, description="event time after an incident in which a new one of the series is recorded as suppressed"
    )
    min_deviation: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="a point counts only if it differs so much from what was expected"
    )
    min_deviation_relative: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="likewise, as a share of the absolute expected value"
    )
    direction: Literal["both", "above", "below"] = Field(
        "both", description="a point counts only if it lies on this side of what was expected"
    )
    max_updates: int = Field(2, ge=0, description="messages between opening and closing; the last is for 'critical'")

    @model_validator(mode="before")
    @classmethod
    def _k_of_n(cls, given: Any) -> Any:
        """``open_points`` alone means that many in a row."""
        if isinstance(given, dict) and isinstance(given.get("open_points"), int) and "of_points" not in given:
            return {**given, "of_points": given["open_points"]}
        return given

    @model_validator(mode="after")
    def _possible(self) -> AlertRules:
        if self.open_points > self.of_points:
            message = f"open_points is {self.open_points}, of_points {self.of_points}; expected at most as many"
            raise ValueError(message)
        return self

    def given(self) -> dict[str, Any]:
        """The rules that were set, without those that have their default."""
        return {name: getattr(self, name) for name in AlertRules.model_fields if name in self.model_fields_set}

    @property
    def filters(self) -> bool:
        """Whether a point's value decides besides its score."""
        return bool(self.min_deviation or self.min_deviation_relative or self.direction != "both")

    def closing(self, limit: float) -> float:
        """The limit that counts while an incident is open; one below 0 is divided, so that closing is never harder."""
        return limit * self.close_ratio if limit >= 0 else limit / self.close_ratio


class AlertOverride(AlertRules):
    """Rules of the series that fit a pattern."""

    series: tuple[str, ...] = Field(description="glob patterns; one that starts with '!' excludes")

    @field_validator("series", mode="before")
    @classmethod
    def _patterns(cls, value: Any) -> Any:
        return _patterns(value)

    def fits(self, series: str) -> bool:
        """Whether these rules are for a series."""
        return fits(self.series, series)


class ModelAlerts(AlertRules):
    """The ``alerts`` of a model's manifest."""

    overrides: tuple[AlertOverride, ...] = ()


class CalendarSettings(BaseModel):
    """A maintenance calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(description="iCalendar file, readable where the job's workers run")
    name: str = Field("", description="what alerts say; empty = the file's name")
    series: tuple[str, ...] = Field(("*",), description="glob patterns of the series that it is for")
    timezone: str = Field("UTC", description="of times in the file that name none")

    @field_validator("series", mode="before")
    @classmethod
    def _patterns(cls, value: Any) -> Any:
        return _patterns(value)


class AlertSettings(AlertRules):
    """Alert rules for all series, for some, and what concerns more than one series."""

    overrides: tuple[AlertOverride, ...] = Field((), description="rules by series; the first that fits counts")
    calendars: tuple[CalendarSettings, ...] = Field((), description="maintenance: alerts are recorded as suppressed")
    group_series: int = Field(5, ge=0, description="so many series at the same time become a group; 0 = never")
    group_window_ms: int = Field(300_000, ge=1, description="event time that counts as the same time")

    @field_validator("overrides", "calendars", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """In the environment and on the command line a list is JSON."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            message = f"expected a JSON list: {error}"
            raise ValueError(message) from None


def fits(patterns: Sequence[str], series: str) -> bool:
    """Whether a series fits any of the patterns and none that excludes."""
    wanted = any(fnmatchcase(series, p) for p in patterns if not p.startswith("!"))
    return wanted and not any(fnmatchcase(series, p[1:]) for p in patterns if p.startswith("!"))


def _patterns(value: Any) -> Any:
    """One pattern may stand without a list."""
    value = (value,) if isinstance(value, str) else value
    if isinstance(value, list | tuple) and not [p for p in value if isinstance(p, str) and not p.startswith("!")]:
        message = "expected at least one pattern without '!'"
        raise ValueError(message)
    return value
