"""Compute event-wise figures: the share of events found, the delay, and how often an alert was false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eddy.models.core.detector import Bools
from eddy.training.data.recording import Event, Recording
from eddy.training.evaluation.metrics.vus import spans


@dataclass(frozen=True)
class EventMetrics:
    """Hold the figures of one detector over some series.

    Attributes:
        events: number of labelled events in the scored part.
        found: number of these with an alert inside (or within ``grace`` rows after).
        alerts: number of alerts raised.
        false: number of alerts that touch no event.
        days: scored series-days.
        points: scored rows.
        delays: rows from the event's first one to the first alert, per found event.
        delays_ms: the same in time.
        by_kind: kind -> (found, events), where kinds are known.
    """

    events: int
    found: int
    alerts: int
    false: int
    days: float
    points: int
    delays: tuple[int, ...] = ()
    delays_ms: tuple[int, ...] = ()
    by_kind: dict[str, tuple[int, int]] | None = None

    @property
    def recall(self) -> float:
        """Return the share of the events found."""
        return self.found / self.events if self.events else float("nan")

    @property
    def precision(self) -> float:
        """Return the share of the alerts that touch an event."""
        return (self.alerts - self.false) / self.alerts if self.alerts else float("nan")

    @property
    def f1(self) -> float:
        """Return the harmonic mean of the two; 0 if there are events and none was found."""
        if not self.events:
            return float("nan")
        if not self.found:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def false_per_day(self) -> float:
        """Return false alerts per day of one series."""
        return self.false / self.days if self.days > 0 else float("nan")

    @property
    def false_per_thousand(self) -> float:
        """Return false alerts per 1,000 scored points."""
        return 1000 * self.false / self.points if self.points else float("nan")

    @property
    def median_delay(self) -> float:
        """Return the median delay in rows; NaN if nothing was found."""
        return float(np.median(self.delays)) if self.delays else float("nan")

    @property
    def median_delay_minutes(self) -> float:
        """Return the median delay in minutes; NaN if nothing was found."""
        return float(np.median(self.delays_ms)) / 60_000 if self.delays_ms else float("nan")


@dataclass(frozen=True)
class Matched:
    """Hold the matches of one series: which row found each event, and which alerts were false.

    Attributes:
        first: per scored event, the first flagged row that found it, or -1.
        alerts: (first, last) rows of each alert.
        false: per alert, whether it touches no event.
    """

    events: Sequence[Event]
    first: tuple[int, ...]
    alerts: tuple[tuple[int, int], ...]
    false: tuple[bool, ...]


def merged(flagged: Bools, quiet: int) -> list[tuple[int, int]]:
    """Return (first, last) of each alert: like an incident, it ends when ``quiet`` rows in a row are not flagged."""
    alerts: list[tuple[int, int]] = []
    for first, last in spans(flagged):
        if alerts and first - alerts[-1][1] <= quiet:
            alerts[-1] = (alerts[-1][0], last)
        else:
            alerts.append((first, last))
    return alerts


def match_events(recording: Recording, flagged: Bools, grace: int = 0, quiet: int = 1) -> Matched:
    """Match the alerts of one series with its events.

    Args:
        recording: the series with its events.
        flagged: (n,) rows above the limit; those before ``recording.start`` do not count.
        grace: rows after an event at which an alert still counts for it: the return to normal is part of it.
        quiet: number of unflagged rows that end an alert; 1: each unbroken run is one.
    """
    scored = flagged.copy()
    scored[: recording.start] = False
    alerts = tuple(merged(scored, quiet))
    events = recording.scored_events
    first = []
    for event in events:
        rows = np.flatnonzero(scored[event.first : event.last + grace + 1])
        first.append(event.first + int(rows[0]) if len(rows) else -1)
    false = tuple(not any(a <= e.last + grace and b >= e.first for e in events) for a, b in alerts)
    return Matched(events, tuple(first), alerts, false)


def event_metrics(
    recordings: Sequence[Recording], flagged: Sequence[Bools], grace: int = 0, quiet: int = 1
) -> EventMetrics:
    """Compute figures over several series; arguments as for :func:`match_events`."""
    delays: list[int] = []
    delays_ms: list[int] = []
    by_kind: dict[str, tuple[int, int]] = {}
    alerts = false = events = 0
    for recording, flags in zip(recordings, flagged, strict=True):
        matched = match_events(recording, flags, grace, quiet)
        alerts, false = alerts + len(matched.alerts), false + sum(matched.false)
        events += len(matched.events)
        for event, row in zip(matched.events, matched.first, strict=True):
            hit, total = by_kind.get(event.kind, (0, 0))
            by_kind[event.kind] = (hit + (row >= 0), total + 1)
            if row >= 0:
                delays.append(row - event.first)
                delays_ms.append(int(recording.ts[row] - recording.ts[event.first]))
    kinds = by_kind if any(by_kind) else None
    days, points = sum(r.days for r in recordings), sum(len(r.ts) - r.start for r in recordings)
    return EventMetrics(events, len(delays), alerts, false, days, points, tuple(delays), tuple(delays_ms), kinds)
