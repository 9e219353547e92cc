"""Define the settings of alerts: opening and closing of incidents, suppression, grouping. See docs/alerts.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from eddy.alert import group_id
from eddy.intervals import Length, ms_to_interval
from eddy.patterns import fits
from eddy.settings_group import Group, from_json

MAX_REMEMBERED = 32  # verdicts remembered per series: the largest ``of_points``


def _patterns(value: Any) -> Any:
    """Accept one pattern without a list."""
    value = (value,) if isinstance(value, str) else value
    if isinstance(value, (list, tuple)) and not [p for p in value if isinstance(p, str) and not p.startswith("!")]:
        message = "expected at least one pattern without '!'"
        raise ValueError(message)
    return value


_TEXTS = {"type": "array", "minItems": 1, "items": {"type": "string"}}
Patterns = Annotated[
    tuple[str, ...], BeforeValidator(_patterns), WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS]})
]


class AlertRules(Group):
    """Decide when anomalous points become an incident. Every rule has a default that a new user need not touch.

    Examples:
        >>> rules = AlertRules(open_points=3)  # three in a row
        >>> rules.of_points
        3
        >>> rules.given()
        {'open_points': 3, 'of_points': 3}
        >>> AlertRules(open_points=3, of_points=2)
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: ... open_points is 3, of_points 2; expected at most as many ...
    """

    open_points: int = Field(
        1, ge=1, le=MAX_REMEMBERED, description="an incident opens after this many anomalous points …"
    )
    of_points: int = Field(1, ge=1, le=MAX_REMEMBERED, description="… among this many latest points (k of n)")
    close_after: int = Field(24, ge=1, description="an incident closes after this many normal points in a row …")
    close_after_ms: int = Field(0, ge=0, description="… and this much event time since the last anomalous point")
    close_ratio: float = Field(
        1.0,
        gt=0,
        le=1,
        description="while an incident is open, points above this share of the limit are still anomalous (hysteresis)",
    )
    cool_down_ms: int = Field(
        0,
        ge=0,
        description="event time after an incident during which new ones of the series are recorded as suppressed",
    )
    min_deviation: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="a point counts only if it differs from the expected value by at least this much",
    )
    min_deviation_relative: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="the same as a share of the absolute expected value"
    )
    direction: Literal["both", "above", "below"] = Field(
        "both", description="a point counts only if it lies on this side of the expected value"
    )
    max_updates: int = Field(
        2, ge=0, description="update messages between opening and closing; the last is kept for 'critical'"
    )

    @model_validator(mode="before")
    @classmethod
    def _k_of_n(cls, given: Any) -> Any:
        """Read ``open_points`` alone as that many in a row."""
        if isinstance(given, dict) and "open_points" in given and "of_points" not in given:
            return {**given, "of_points": given["open_points"]}
        return given

    @model_validator(mode="after")
    def _possible(self) -> AlertRules:
        if self.open_points > self.of_points:
            message = f"open_points is {self.open_points}, of_points {self.of_points}; expected at most as many"
            raise ValueError(message)
        return self

    def given(self) -> dict[str, Any]:
        """Return the rules that were set, without those that have their default."""
        return {name: getattr(self, name) for name in AlertRules.model_fields if name in self.model_fields_set}

    @property
    def filters(self) -> bool:
        """Return whether a point's value counts besides its score."""
        return bool(self.min_deviation or self.min_deviation_relative or self.direction != "both")

    def closing(self, limit: float) -> float:
        """Return the limit that counts while an incident is open.

        A limit below 0 is divided by the ratio, so that a point then has to be more normal, never less.
        """
        return limit * self.close_ratio if limit >= 0 else limit / self.close_ratio


class AlertOverride(AlertRules):
    """Set rules for the series that fit a pattern.

    Examples:
        >>> override = AlertOverride(series=["pump-*", "!pump-9"], direction="above")
        >>> [override.fits(name) for name in ("pump-1", "pump-9", "fan-1")]
        [True, False, False]
    """

    series: Patterns = Field(description="glob patterns; one that starts with '!' excludes")

    def fits(self, series: str) -> bool:
        """Return whether these rules apply to a series."""
        return fits(self.series, series)


class ModelAlerts(AlertRules):
    """Hold the ``alerts`` of a model's manifest."""

    overrides: tuple[AlertOverride, ...] = ()


class CalendarSettings(Group):
    """Name a maintenance calendar and the series that it applies to.

    Examples:
        >>> CalendarSettings(file="/etc/plant.ics", series="pump-*").series
        ('pump-*',)
    """

    file: str = Field(description="iCalendar file; the job's workers must be able to read it")
    name: str = Field("", description="name of the calendar in alerts; empty = the file's name")
    series: Patterns = Field(("*",), description="glob patterns of the series that it applies to")
    timezone: str = Field("UTC", description="time zone of the times in the file that name none")


def _auto_or_length(value: Any) -> Any:
    """Read ``auto``, or a length of a second or more."""
    if value == "auto":
        return value
    try:
        length = _LENGTH.validate_python(value)
    except ValidationError:
        length = 0
    if length < _SHORTEST_SILENCE_MS:
        message = f"found {value!r}, expected auto, or a length of 1s or more such as 10m"
        raise ValueError(message)
    return length


_SHORTEST_SILENCE_MS = 1000
_LENGTH = TypeAdapter(Length)


class SilentSettings(Group):
    """Decide when a series that sends nothing is an incident of kind ``silent``.

    Examples:
        >>> SilentSettings(series="pump-*").after, SilentSettings(after="10m").after
        ('auto', 600000)
    """

    after: Annotated[
        int | Literal["auto"],
        BeforeValidator(_auto_or_length),
        PlainSerializer(lambda value: value if value == "auto" else ms_to_interval(value), return_type=str),
        WithJsonSchema({"type": "string", "pattern": r"^(auto|\d+(ms|s|m|min|h|d))$"}),
    ] = Field(
        "auto", description="event time without an event; auto = learned from the usual pauses and hours of the series"
    )
    series: Patterns = Field(("*",), description="glob patterns of the series that it applies to")
    close_open_after: Length = Field(
        3_600_000,
        description="time after which the other open incidents of a silent series are closed; 0s = never",
    )

    def fits(self, series: str) -> bool:
        """Return whether this applies to a series."""
        return fits(self.series, series)


def _one_or_more(value: Any) -> Any:
    """Accept one entry without a list, and JSON."""
    value = from_json(value, "a JSON object or list")
    return (value,) if isinstance(value, (dict, SilentSettings)) else value


class AlertSettings(AlertRules):
    """Set the alert rules for all series and for some, maintenance calendars, and the grouping of incidents.

    Examples:
        >>> AlertSettings(overrides='[{"series": "pump-*", "min_deviation": 2.5}]').overrides[0].min_deviation
        2.5
    """

    overrides: tuple[AlertOverride, ...] = Field(
        (), description="rules for some series; the first entry that fits applies"
    )
    calendars: tuple[CalendarSettings, ...] = Field(
        (), description="maintenance calendars; alerts during maintenance are recorded as suppressed"
    )
    silent: Annotated[tuple[SilentSettings, ...], BeforeValidator(_one_or_more)] = Field(
        (), description="alerts on series that fall silent; of several entries the first that fits; none = off"
    )
    group_series: int = Field(
        5, ge=0, description="incidents of this many series at the same time become a group; 0 = never"
    )
    group_window_ms: int = Field(300_000, ge=1, description="event time that counts as the same time")

    @field_validator("overrides", "calendars", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Read a list from JSON, as the environment and the command line give it."""
        return from_json(value, "a JSON list")

    def bucket_of(self, start: int) -> int:
        """Return the time bucket of an incident that starts at a time: the multiple of the window next to it."""
        return (start + self.group_window_ms // 2) // self.group_window_ms * self.group_window_ms

    def group_of(self, start: int) -> str | None:
        """Return the id that the group of an incident has, if there comes to be one; None where groups are off."""
        return group_id(self.bucket_of(start)) if self.group_series else None
