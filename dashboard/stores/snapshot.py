"""Share one state of all sources among all browsers; it is replaced as a whole, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eddy.dashboard.sources.availability import Availability
from eddy.dashboard.sources.flink_rest import JobHealth
from eddy.dashboard.stores.dead_letters import DeadLettersView
from eddy.dashboard.stores.incidents import IncidentsView
from eddy.dashboard.stores.input_sources import InputSourceView
from eddy.dashboard.stores.models import ModelsView
from eddy.dashboard.stores.rates import RatesView
from eddy.dashboard.stores.series_table import SeriesView


@dataclass(frozen=True)
class Snapshot:
    """Hold the result of one reading of all sources.

    Attributes:
        number: counts the readings.
        at: wall clock, epoch ms.
        series, incidents, models, dead_letters, rates: see there.
        totals: messages by topic name.
        job: None while Flink is away or has not been asked.
        sources: in the order in which they are shown.
        inputs: the job's input sources.
    """

    number: int
    at: int
    series: SeriesView
    incidents: IncidentsView
    models: ModelsView
    dead_letters: DeadLettersView
    rates: RatesView
    totals: Mapping[str, int]
    job: JobHealth | None
    sources: tuple[Availability, ...]
    inputs: tuple[InputSourceView, ...] = ()

    def knows(self, series: str) -> bool:
        """Return whether a series exists as far as one can tell: while Redis is away, any may."""
        redis_answers = bool(self.sources) and bool(self.sources[0].ok)
        return not redis_answers or series in self.series.index or series in self.incidents.by_series
