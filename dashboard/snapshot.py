"""What all browsers share: everything the page knows at one moment. It is replaced as a whole, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.availability import Availability
from dashboard.incident_store import IncidentsView
from dashboard.letter_store import LettersView
from dashboard.model_store import ModelsView
from dashboard.rates import RatesView
from dashboard.series_table import SeriesView
from dashboard.sources.flink_rest import JobHealth


@dataclass(frozen=True)
class Snapshot:
    """One look at all sources.

    Attributes:
        number: counts the looks.
        at: wall clock, epoch ms.
        series, incidents, models, letters, rates: see there.
        totals: messages by topic name.
        job: None while Flink is away or has not been asked.
        sources: in the order in which they are shown.
    """

    number: int
    at: int
    series: SeriesView
    incidents: IncidentsView
    models: ModelsView
    letters: LettersView
    rates: RatesView
    totals: Mapping[str, int]
    job: JobHealth | None
    sources: tuple[Availability, ...]
