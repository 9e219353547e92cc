"""Build incidents from alert messages and from the feedback on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from eddy.alert import SEVERITY_LEVELS, Alert
from eddy.dashboard.stores.feedback_verdict import FeedbackState, after
from eddy.errors import DataError
from eddy.feedback import Feedback

SEVERITIES = tuple(level for _, level in SEVERITY_LEVELS)  # most severe first
_MAX_OPEN = 100_000  # open incidents, and verdicts on incidents that are not known yet
_MAX_MESSAGES = 10_000  # of one incident: the job sends a handful
_ORDER = {"open": 0, "update": 1, "closed": 2}


@dataclass(frozen=True)
class Incident:
    """Hold one incident.

    Attributes:
        alert: its last message.
        opened: wall clock, epoch ms, of the first message known.
        messages: how many are known.
        verdict: state after all feedback; None = there was none.
    """

    alert: Alert
    opened: int
    messages: int
    verdict: FeedbackState | None = None

    @property
    def is_open(self) -> bool:
        """Return whether the incident is open."""
        return self.alert.state != "closed"

    @property
    def suppressed(self) -> str:
        """Return why nobody is notified; empty if somebody is."""
        return self.alert.suppressed or ""

    @property
    def needs_attention(self) -> bool:
        """Return whether the incident is open and nobody has acknowledged or dismissed it."""
        return self.is_open and not (self.verdict and self.verdict.settled) and not self.suppressed


@dataclass(frozen=True)
class IncidentsView:
    """Hold all incidents of one moment.

    Attributes:
        newest: by the time they were opened, newest first.
        by_id, by_series: the same incidents; of a series the newest first.
        open: those that are open, most severe first.
        when: wall clock, epoch ms, at which each incident opened; int64, ascending.
        severity: for each of ``when`` an index into :data:`SEVERITIES`.
        messages: alert messages seen.
    """

    newest: tuple[Incident, ...] = ()
    by_id: Mapping[str, Incident] = field(default_factory=dict)
    by_series: Mapping[str, tuple[Incident, ...]] = field(default_factory=dict)
    open: tuple[Incident, ...] = ()
    when: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    severity: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    messages: int = 0

    def open_by_severity(self) -> dict[str, int]:
        """Count open incidents by severity level."""
        found = dict.fromkeys(SEVERITIES, 0)
        for incident in self.open:
            found[incident.alert.severity_word] += 1
        return found


class IncidentStore:
    """Take messages in any order and more than once; belongs to the collector thread.

    Args:
        max_incidents: incidents kept; beyond, the oldest closed ones are forgotten.
    """

    def __init__(self, max_incidents: int) -> None:
        self._max_incidents = max_incidents
        self._incidents: dict[str, Incident] = {}
        self._seen: dict[str, set[tuple[object, ...]]] = {}
        self._verdicts: dict[str, FeedbackState] = {}
        self._view = IncidentsView()
        self._changed = False
        self._messages = 0

    @property
    def known(self) -> Mapping[str, Incident]:
        """Return the incidents by id."""
        return self._incidents

    def put(self, alert: Alert) -> None:
        """Take an alert message, from Kafka or from Redis."""
        mark = (alert.state, alert.end, alert.severity, alert.suppressed, alert.member_count)
        seen = self._seen.setdefault(alert.id, set())
        if mark in seen or len(seen) >= _MAX_MESSAGES:
            return
        seen.add(mark)
        self._messages += 1
        self._changed = True
        known = self._incidents.get(alert.id)
        if known is None:
            self._incidents[alert.id] = Incident(alert, alert.detected_at, 1, self._verdicts.get(alert.id))
            return
        newer = _rank(alert) >= _rank(known.alert)
        self._incidents[alert.id] = replace(
            known,
            alert=alert if newer else known.alert,
            opened=min(known.opened, alert.detected_at),
            messages=known.messages + 1,
        )

    def note_feedback(self, value: bytes) -> None:
        """Take a message of the feedback topic."""
        try:
            message = Feedback.from_json(value)
        except DataError:
            return
        verdict = after(self._verdicts.pop(message.id, None), message)
        self._verdicts[message.id] = verdict  # at the end: the one that was given feedback last
        while len(self._verdicts) > max(self._max_incidents, _MAX_OPEN):
            del self._verdicts[next(iter(self._verdicts))]
        known = self._incidents.get(message.id)
        if known is not None:
            self._incidents[message.id] = replace(known, verdict=verdict)
            self._changed = True

    def view(self) -> IncidentsView:
        """Return the incidents as of now; the same object as long as nothing changed."""
        if self._changed:
            self._changed = False
            self._forget()
            self._view = _view(list(self._incidents.values()), self._messages)
        return self._view

    def _forget(self) -> None:
        surplus = len(self._incidents) - self._max_incidents
        if surplus <= 0:
            return
        closed = sorted((i for i in self._incidents.values() if not i.is_open), key=lambda i: i.opened)
        going_on = sorted((i for i in self._incidents.values() if i.is_open), key=lambda i: i.opened)
        for incident in closed[:surplus] + going_on[: max(0, len(going_on) - _MAX_OPEN)]:
            del self._incidents[incident.alert.id]
            del self._seen[incident.alert.id]


def _rank(alert: Alert) -> tuple[int, int, int]:
    return _ORDER[alert.state] == 2, alert.detected_at, _ORDER[alert.state]


def _view(incidents: list[Incident], messages: int) -> IncidentsView:
    incidents.sort(key=lambda i: (i.opened, i.alert.id))
    by_series: dict[str, list[Incident]] = {}
    for incident in reversed(incidents):
        by_series.setdefault(incident.alert.series, []).append(incident)
    going_on = [i for i in incidents if i.is_open]
    going_on.sort(key=lambda i: (not i.needs_attention, -i.alert.severity, -i.opened))
    return IncidentsView(
        newest=tuple(reversed(incidents)),
        by_id={i.alert.id: i for i in incidents},
        by_series={name: tuple(group) for name, group in by_series.items()},
        open=tuple(going_on),
        when=np.array([i.opened for i in incidents], np.int64),
        severity=np.array([SEVERITIES.index(i.alert.severity_word) for i in incidents], np.int8),
        messages=messages,
    )
