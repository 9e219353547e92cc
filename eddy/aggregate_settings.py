"""Define the settings of aggregation: which values of each interval are made of an input source's events.

This module holds the shape only; :mod:`eddy.inputs.aggregates` gives the expressions their meaning
(docs/decisions/080-aggregation.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from eddy.intervals import Length, ms_to_interval
from eddy.settings_group import Group, by_feature

MAX_AGGREGATES = 64  # of one source: each costs state for every series and open interval
_DAY = 86_400_000


def _expressions(value: Any) -> Any:
    """Accept names of features with the expressions of their values."""
    expected = f"1 to {MAX_AGGREGATES} names of features, each with an expression"
    return by_feature(value, MAX_AGGREGATES, expected, "an expression, such as count or 'p95 of ms'")


class Aggregate(Group):
    """Say how the events of a source become one observation for each series and interval.

    Examples:
        >>> rule = Aggregate(every="1m", values={"requests": "count", "latency": "p95 of ms"})
        >>> rule.every, rule.wait, rule.empty
        (60000, 10000, 'missing')
        >>> Aggregate(every="7m", values={"n": "count"})
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: ... found 7m, expected an interval that divides a day ...
    """

    every: Length = Field(description="length of an interval; intervals begin at whole multiples of it, in UTC")
    values: Annotated[dict[str, str], BeforeValidator(_expressions)] = Field(
        description="features with the expressions of their values, such as count, 'p95 of ms' or 'errors / requests'"
    )
    wait: Length = Field(10_000, description="how long an interval waits for stragglers; later events are late")
    empty: Literal["zero", "missing", "last"] = Field(
        "missing",
        description="what an interval without events is: zero (counts, sums and increases are 0, all else is missing), "
        "missing (no observation), or last (the values of the interval before)",
    )
    forget_after: Length = Field(
        _DAY, description="a series without events for longer ends; until then it gives intervals"
    )
    join: str = Field(
        "", description="sources with the same name here make one observation of each interval of a series together"
    )

    @model_validator(mode="after")
    def _possible(self) -> Aggregate:
        if not 1000 <= self.every <= _DAY or _DAY % self.every:
            message = (
                f"every: found {ms_to_interval(self.every)}, expected an interval that divides a day, from 1s to 1d"
            )
            raise ValueError(message)
        if self.forget_after < self.every:
            found, expected = ms_to_interval(self.forget_after), ms_to_interval(self.every)
            message = f"forget_after: found {found}, expected at least every = {expected}"
            raise ValueError(message)
        return self


def check_joins(rules: Mapping[str, Aggregate]) -> None:
    """Raise unless the sources of each ``join`` can make one observation together.

    Args:
        rules: of all sources, by their names.

    Raises:
        ValueError: two of them differ in when an interval ends, or make a value of the same name.

    Examples:
        >>> one = Aggregate(every="1m", join="web", values={"n": "count"})
        >>> check_joins({"input.0": one, "input.1": Aggregate(every="5m", join="web", values={"m": "count"})})
        Traceback (most recent call last):
        ...
        ValueError: input.1.aggregate.every: found 5m, expected 1m as of input.0, which has the join 'web', too
        >>> check_joins({"input.0": one, "input.1": one})
        Traceback (most recent call last):
        ...
        ValueError: input.1.aggregate.values: found n as of input.0, which has the join 'web', too; expected ...
    """
    firsts: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    for source, rule in rules.items():
        if not rule.join:
            continue
        other = firsts.setdefault(rule.join, source)
        for setting in ("every", "wait", "empty", "forget_after"):
            found, expected = (_shown(getattr(each, setting)) for each in (rule, rules[other]))
            if found != expected:
                message = f"{source}.aggregate.{setting}: found {found}, expected {expected} as of {other}"
                raise ValueError(f"{message}, which has the join {rule.join!r}, too")
        for name in rule.values:
            first = names.setdefault((rule.join, name), source)
            if first != source:
                message = (
                    f"{source}.aggregate.values: found {name} as of {first}, which has the join {rule.join!r}, too"
                )
                raise ValueError(f"{message}; expected another name")


def _shown(value: int | str) -> str:
    return value if isinstance(value, str) else ms_to_interval(value)
