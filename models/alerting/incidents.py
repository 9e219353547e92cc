"""Combine anomalous points into incidents: open them, update them as severity grows, close them afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from eddy.alert import severity_level
from eddy.alert_settings import AlertRules
from eddy.models.alerting.incident_scan import NOT_OPEN, next_change
from eddy.models.core.detector import Floats, Ints

COOL_DOWN = "cool-down"
NO_POINT = -1  # used as an index where no point of the batch stands for a transition

#: (row, event time) -> why an incident that is anomalous there notifies nobody; None: it notifies
Suppressor = Callable[[int, int], str | None]


@dataclass
class Incident:
    """Hold one incident's state.

    Attributes:
        start, end: event time of the first and last anomalous point, epoch ms.
        points: number of anomalous points.
        peak, limit: highest score, and the limit at that point.
        severity: the highest so far; ``told``: the severity at the last message.
        quiet: points since the last anomalous one; ``updates``: messages since it opened.
        suppressed: why nobody is notified; None: people are notified.
        recorded: it opened where alerts are only recorded (see :mod:`eddy.models.artifacts.rollout`), and stays so.
    """

    start: int
    end: int
    points: int
    peak: float
    limit: float
    severity: int
    quiet: int = 0
    told: int = -1
    updates: int = 0
    suppressed: str | None = None
    recorded: bool = False

    def __post_init__(self) -> None:
        if self.told < 0:  # new, or from the state of an older version, which sent a message for every severity level
            self.told = self.severity


@dataclass(frozen=True)
class Transition:
    """Report that an incident changed: ``at`` is the index, in the scored batch, of the point that changed it.

    A ``peak`` is not sent to consumers: it is a higher score that is not worth a message. ``at`` is :data:`NO_POINT`
    where no point has to be explained: at closing, and where a suppressed incident opens without a higher score.
    """

    state: Literal["open", "update", "peak", "closed"]
    row: int
    at: int
    incident: Incident


class IncidentTracker:
    """Track the open incidents of many series (rows), and the recent verdicts that may open one."""

    def __init__(self) -> None:
        self.bits = np.zeros(0, np.uint32)  # the last verdicts, newest in bit 0; all 0 for most series
        self.times: dict[int, list[int]] = {}  # event times of the anomalous points in `bits`, oldest first
        self.open: dict[int, Incident] = {}
        self.evidence: dict[int, dict[str, Any]] = {}  # of open incidents: the evidence at the highest score
        self.closed: dict[int, tuple[int, int]] = {}  # rows in their cool-down: event time of the closing, severity
        self._quiet = np.zeros(0, np.int32)  # scratch of :meth:`track`, by row: `quiet` of the open incident
        self._end = np.zeros(0, np.int64)  # likewise, `end`

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = size - len(self.bits)
        if more > 0:
            more = max(more, len(self.bits), 64)
            self.bits = np.concatenate([self.bits, np.zeros(more, np.uint32)])
            self._quiet = np.full(len(self.bits), NOT_OPEN, np.int32)
            self._end = np.zeros(len(self.bits), np.int64)

    def concerned(self) -> set[int]:
        """Return the rows with an open incident, points that may open one, or a cool-down."""
        return {*self.open, *self.times, *self.closed}

    def clear(self, row: int) -> None:
        """Forget a row."""
        if row < len(self.bits):
            self.bits[row] = 0
        for known in (self.times, self.open, self.evidence, self.closed):
            known.pop(row, None)

    def adopt(self, row: int, other: IncidentTracker, of: int) -> None:
        """Copy what ``other`` keeps for its row ``of``."""
        self.bits[row] = other.bits[of]
        for name in ("times", "open", "evidence", "closed"):
            known = getattr(other, name)
            if of in known:
                getattr(self, name)[row] = known[of]

    def track(
        self,
        rules: Sequence[AlertRules],
        rules_of: Ints,
        rows: Ints,
        ts: Ints,
        scores: Floats,
        limits: Floats,
        severities: Ints,
        suppressor: Suppressor | None = None,
    ) -> Iterator[Transition]:
        """Take scored points, each series' in order of time; yield what changed.

        Only points at which an incident may change cost anything.

        Args:
            rules: when to open and close; ``rules_of`` (rows,) is the index of those that apply to each row.
            rows, ts, scores, limits, severities: (n,) each; a NaN score is not anomalous.
            suppressor: called when an incident opens, and at the anomalous points of a suppressed one.
        """
        closing = np.array([(one.close_ratio, one.close_after, one.close_after_ms) for one in rules], float)
        quiet, end = self._quiet, self._end
        for row, incident in self.open.items():
            quiet[row], end[row] = incident.quiet, incident.end
        i = -1
        while True:
            i = next_change(i + 1, rows, ts, scores, limits, self.bits, quiet, end, rules_of, closing)
            if i == len(rows):
                break
            row = int(rows[i])
            own, point = rules[rules_of[row]], (int(ts[i]), float(scores[i]), float(limits[i]), int(severities[i]))
            if row in self.open:
                self.open[row].quiet = int(quiet[row])
                yield from self._follow(own, row, i, *point, suppressor)
            else:
                yield from self._gather(own, row, i, *point, suppressor)
            now = self.open.get(row)
            quiet[row] = NOT_OPEN if now is None else now.quiet
            end[row] = 0 if now is None else now.end
        for row, incident in self.open.items():
            incident.quiet, quiet[row] = int(quiet[row]), NOT_OPEN

    def _gather(
        self,
        rules: AlertRules,
        row: int,
        at: int,
        ts: int,
        score: float,
        limit: float,
        severity: int,
        suppressor: Suppressor | None,
    ) -> Iterator[Transition]:
        """Process a point of a series that has no open incident."""
        over = score > limit
        bits = (int(self.bits[row]) << 1 | over) & ((1 << rules.of_points) - 1)
        count = bits.bit_count()
        times = [*self.times.pop(row, ()), *([ts] if over else [])][-count:] if count else []
        if over and count >= rules.open_points:
            self.bits[row] = 0
            incident = Incident(times[0], ts, count, score, limit, severity)
            incident.suppressed = self._reason(rules, row, ts, severity, suppressor)
            self.open[row] = incident
            yield Transition("open", row, at, copy(incident))
            return
        self.bits[row] = bits
        if times:
            self.times[row] = times

    def _follow(
        self,
        rules: AlertRules,
        row: int,
        at: int,
        ts: int,
        score: float,
        limit: float,
        severity: int,
        suppressor: Suppressor | None,
    ) -> Iterator[Transition]:
        """Process a point of a series whose incident is open."""
        incident = self.open[row]
        if not score > rules.closing(limit):
            incident.quiet += 1
            if incident.quiet >= rules.close_after and ts - incident.end >= rules.close_after_ms:
                del self.open[row]
                if rules.cool_down_ms and incident.suppressed is None:
                    self.closed[row] = ts, incident.severity
                yield Transition("closed", row, NO_POINT, copy(incident))
            return
        incident.end, incident.quiet = ts, 0
        incident.points += 1
        higher = score > incident.peak
        if higher:
            incident.peak, incident.limit = score, limit
            incident.severity = max(severity, incident.severity)
        if incident.suppressed is not None:
            incident.suppressed = self._reason(rules, row, ts, incident.severity, suppressor)
            if incident.suppressed is None:
                incident.told = incident.severity
                yield Transition("open", row, at if higher else NO_POINT, copy(incident))
            elif higher:
                yield Transition("peak", row, at, copy(incident))
        elif higher:
            notify = self._worth_notifying(rules, incident)
            if notify:
                incident.told, incident.updates = incident.severity, incident.updates + 1
            yield Transition("update" if notify else "peak", row, at, copy(incident))

    def _worth_notifying(self, rules: AlertRules, incident: Incident) -> bool:
        """Return whether a higher severity level is worth a message; the last message left is kept for the highest."""
        level, left = severity_level(incident.severity), rules.max_updates - incident.updates
        return level != severity_level(incident.told) and (left > 1 or (left == 1 and level == "critical"))

    def _reason(self, rules: AlertRules, row: int, ts: int, severity: int, suppressor: Suppressor | None) -> str | None:
        """Return why this anomalous point notifies nobody; a higher severity level ends a cool-down at once."""
        reason = suppressor(row, ts) if suppressor is not None else None
        if row in self.closed:
            since, before = self.closed[row]
            if ts - since < rules.cool_down_ms and severity_level(severity) == severity_level(min(severity, before)):
                return reason or COOL_DOWN
            if reason is None:
                del self.closed[row]
        return reason

    def to_params(self) -> dict[str, Any]:
        """Return open incidents, the points that may open one, and cool-downs, as JSON-able data, by row.

        ``bits`` is stored with the windows.
        """
        params: dict[str, dict[str, Any]] = {}
        for row, incident in self.open.items():
            params[str(row)] = {"incident": asdict(incident), "evidence": self.evidence.get(row, {})}
        for row, times in self.times.items():
            params.setdefault(str(row), {})["times"] = times
        for row, closed in self.closed.items():
            params.setdefault(str(row), {})["closed"] = list(closed)
        return params

    def restore(self, params: Mapping[str, Any]) -> None:
        """Restore the result of :meth:`to_params`."""
        by_row = {int(row): kept for row, kept in params.items()}
        opened = {row: kept for row, kept in by_row.items() if "incident" in kept}
        self.open = {row: Incident(**kept["incident"]) for row, kept in opened.items()}
        self.evidence = {row: kept["evidence"] for row, kept in opened.items()}
        self.times = {row: list(kept["times"]) for row, kept in by_row.items() if "times" in kept}
        self.closed = {row: (kept["closed"][0], kept["closed"][1]) for row, kept in by_row.items() if "closed" in kept}
