"""A series as it is evaluated: values, where judging begins, and the labelled events that only scoring may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools, Floats, Ints
from eddy.training.data.nab import LabelledSeries

_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Event:
    """A labelled anomaly: rows ``first`` to ``last``, both included, and what it is, where that is known."""

    first: int
    last: int
    kind: str = ""


@dataclass(frozen=True)
class Recording:
    """One series with its labels.

    Attributes:
        name: series id.
        ts: (n,) epoch ms.
        values: (n, F) in the series' own units; NaN where missing.
        features: F names.
        start: rows at the start that fitting may use and that are not judged.
        events: the labelled ones, in order; empty where there is none, or no label at all.
    """

    name: str
    ts: Ints
    values: Floats
    features: tuple[str, ...]
    start: int
    events: tuple[Event, ...] = ()

    @classmethod
    def of_nab(cls, series: LabelledSeries) -> Recording:
        """A NAB series; its anomaly windows become events."""
        events = tuple(Event(first, last) for first, last in series.windows)
        return cls(series.name, series.ts, series.values[:, None], ("value",), series.probation, events)

    @property
    def truth(self) -> Bools:
        """(n,) True in labelled events."""
        inside = np.zeros(len(self.ts), bool)
        for event in self.events:
            inside[event.first : event.last + 1] = True
        return inside

    @property
    def days(self) -> float:
        """Days judged."""
        scored = self.ts[self.start :]
        return float(scored.max() - scored.min()) / _MS_PER_DAY if len(scored) else 0.0

    @property
    def scored_events(self) -> Sequence[Event]:
        """The events that reach into the judged part."""
        return [event for event in self.events if event.last >= self.start]

    @property
    def interval_ms(self) -> float:
        """The usual step between two rows."""
        return max(float(np.median(np.diff(self.ts))), 1.0) if len(self.ts) > 1 else 1.0
