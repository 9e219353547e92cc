"""Say what an aggregator makes of events, as plain numbers and names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Empty = Literal["zero", "missing", "last"]


@dataclass(frozen=True)
class Measure:
    """Say how one value of an interval comes about.

    Attributes:
        name: of the feature.
        function: ``count``, ``sum``, ``mean``, ``min``, ``max``, ``last``, ``quantile``, ``distinct``, ``increase``,
            ``rate``; ``/`` or ``-`` of two others.
        column: that it is made of; -1: of all events of its source, or of two others.
        source: whose events ``count`` counts.
        quantile: 0 to 1.
        of: names of two others, for ``/`` and ``-``.
    """

    name: str
    function: str
    column: int = -1
    source: int = 0
    quantile: float = math.nan
    of: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class IntervalRule:
    """Describe the intervals of the series of one or more sources.

    Attributes:
        name: of the rule, for state and messages.
        every_ms, wait_ms: length of an interval, and how long it waits for stragglers.
        empty: what an interval without events is.
        forget_after_ms: a series without events for longer ends.
        measures: the values of an interval, in their order.
        columns: what the numbers of an event are called, by source; they stand behind each other, source by source.
        sources: number of each source by its name in the settings.
    """

    name: str
    every_ms: int
    wait_ms: int
    empty: Empty
    forget_after_ms: int
    measures: tuple[Measure, ...]
    columns: tuple[tuple[str, ...], ...]
    sources: Mapping[str, int]

    @property
    def features(self) -> tuple[str, ...]:
        """Return the names of the values."""
        return tuple(one.name for one in self.measures)

    def first_column(self, source: int) -> int:
        """Return where the columns of a source begin."""
        return sum(map(len, self.columns[:source]))

    def interval_of(self, ts: int) -> int:
        """Return the number of the interval of a time: intervals are counted from the epoch."""
        return ts // self.every_ms
