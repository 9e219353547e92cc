"""Hold a series for evaluation: values, where scoring begins, and the labelled events, which only scoring may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.training.data.nab import LabelledSeries

_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Event:
    """Hold a labelled anomaly: rows ``first`` to ``last``, both included, and its kind, if known."""

    first: int
    last: int
    kind: str = ""


@dataclass(frozen=True)
class Recording:
    """Hold one series with its labels.

    Attributes:
        name: series id.
        ts: (n,) epoch ms.
        values: (n, F) in the series' own units; NaN where missing.
        features: names of the F features.
        start: rows at the start that fitting may use and that are not scored.
        events: the labelled ones, in order; empty if there are none or no labels at all.
    """

    name: str
    ts: Ints
    values: Floats
    features: tuple[str, ...]
    start: int
    events: tuple[Event, ...] = ()

    @classmethod
    def of_nab(cls, series: LabelledSeries) -> Recording:
        """Convert a NAB series; its anomaly windows become events."""
        events = tuple(Event(first, last) for first, last in series.windows)
        return cls(series.name, series.ts, series.values[:, None], ("value",), series.probation, events)

    @property
    def truth(self) -> Bools:
        """Return (n,) True in labelled events."""
        inside = np.zeros(len(self.ts), bool)
        for event in self.events:
            inside[event.first : event.last + 1] = True
        return inside

    @property
    def days(self) -> float:
        """Return the number of scored days."""
        scored = self.ts[self.start :]
        return float(scored.max() - scored.min()) / _MS_PER_DAY if len(scored) else 0.0

    @property
    def scored_events(self) -> Sequence[Event]:
        """Return the events that reach into the scored part."""
        return [event for event in self.events if event.last >= self.start]

    @property
    def interval_ms(self) -> float:
        """Return the usual step between two rows, ms."""
        return max(float(np.median(np.diff(self.ts))), 1.0) if len(self.ts) > 1 else 1.0
