"""From anomalous points to incidents: opened, updated as they grow more severe, closed after a quiet time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from eddy.alert import severity_word
from eddy.errors import ModelError
from models.detector import Floats, Ints

_WINDOW_BITS = 32  # verdicts remembered per series


@dataclass(frozen=True)
class AlertPolicy:
    """When anomalous points make an incident.

    Attributes:
        open_points, of_points: opens after this many anomalous points among the last so many (k of n).
        close_after: closes after this many points in a row that are not anomalous.
        close_ratio: while open, a point counts as anomalous down to ``close_ratio × limit`` (hysteresis); at most 1.
            A limit below 0 is divided by it, so that closing is never harder than opening.
    """

    open_points: int = 1
    of_points: int = 1
    close_after: int = 8
    close_ratio: float = 1.0

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> AlertPolicy:
        """The defaults with a manifest's overrides.

        Raises:
            ModelError: an unknown name or a value out of range.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(params) - known)
        if unknown:
            raise ModelError(f"alerts.{unknown[0]}: unknown; known: {', '.join(sorted(known))}")
        try:
            policy = replace(cls(), **params)
            counts = (policy.open_points, policy.of_points, policy.close_after)
            good = all(isinstance(count, int) and not isinstance(count, bool) for count in counts)
            good = good and 1 <= policy.open_points <= policy.of_points <= _WINDOW_BITS
            good = good and policy.close_after >= 1 and 0 < policy.close_ratio <= 1
        except TypeError:
            good = False
        if not good:
            raise ModelError(
                f"alerts: found {dict(params)}; expected whole numbers 1 <= open_points <= of_points <= {_WINDOW_BITS} "
                "and close_after >= 1, and 0 < close_ratio <= 1"
            )
        return policy

    def closing(self, limit: float) -> float:
        """The limit that counts while an incident is open."""
        return limit * self.close_ratio if limit >= 0 else limit / self.close_ratio


@dataclass
class Incident:
    """One incident's state."""

    start: int
    end: int
    points: int
    peak: float
    limit: float
    severity: int
    quiet: int = 0


@dataclass(frozen=True)
class Transition:
    """An incident changed: ``at`` is the index, in the scored batch, of the point that changed it.

    A ``peak`` is no news for consumers: a higher score, of the same severity word.
    """

    state: Literal["open", "update", "peak", "closed"]
    row: int
    at: int
    incident: Incident


class IncidentTracker:
    """The open incidents of many series (rows), and the recent verdicts that may open one."""

    def __init__(self) -> None:
        self.bits = np.zeros(0, np.uint32)  # the last verdicts, newest in bit 0; all 0 for most series
        self.times: dict[int, list[int]] = {}  # event times of the anomalous points in `bits`, oldest first
        self.open: dict[int, Incident] = {}
        self.evidence: dict[int, dict[str, Any]] = {}  # of open incidents: what was seen at the highest score

    def grow(self, size: int) -> None:
        """Make room for rows below ``size``."""
        more = size - len(self.bits)
        if more > 0:
            more = max(more, len(self.bits), 64)
            self.bits = np.concatenate([self.bits, np.zeros(more, np.uint32)])

    def concerned(self) -> set[int]:
        """Rows with an open incident or points that may open one."""
        return {*self.open, *self.times}

    def clear(self, row: int) -> None:
        """Forget a row."""
        if row < len(self.bits):
            self.bits[row] = 0
        self.times.pop(row, None)
        self.open.pop(row, None)
        self.evidence.pop(row, None)

    def track(
        self, policy: AlertPolicy, rows: Ints, ts: Ints, scores: Floats, limits: Floats, severities: Ints
    ) -> Iterator[Transition]:
        """Take scored points, each series' in order of time; yield what changed.

        Only rows with an anomalous point now or lately, or with an open incident, cost anything.

        Args:
            policy: when to open and close.
            rows, ts, scores, limits, severities: (n,) each; a NaN score is not anomalous.
        """
        over = scores > limits
        concerned = over | (self.bits[rows] != 0)
        if self.open:
            concerned |= np.isin(rows, np.fromiter(self.open, np.int64, len(self.open)))
        if over.any():  # later points of a series whose first anomalous point is in this batch
            concerned |= np.isin(rows, rows[over])
        for i in np.flatnonzero(concerned):
            yield from self._step(
                policy, int(rows[i]), int(i), int(ts[i]), float(scores[i]), float(limits[i]), int(severities[i])
            )

    def _step(
        self, policy: AlertPolicy, row: int, at: int, ts: int, score: float, limit: float, severity: int
    ) -> Iterator[Transition]:
        incident = self.open.get(row)
        if incident is None:
            over = score > limit
            bits = (int(self.bits[row]) << 1 | over) & ((1 << policy.of_points) - 1)
            count = bits.bit_count()
            times = [*self.times.pop(row, ()), *([ts] if over else [])][-count:] if count else []
            if over and count >= policy.open_points:
                self.bits[row] = 0
                incident = Incident(times[0], ts, count, score, limit, severity)
                self.open[row] = incident
                yield Transition("open", row, at, replace(incident))
                return
            self.bits[row] = bits
            if times:
                self.times[row] = times
            return
        if score > policy.closing(limit):
            incident.end, incident.quiet = ts, 0
            incident.points += 1
            if score > incident.peak:
                grown = severity_word(severity) != severity_word(incident.severity) and severity > incident.severity
                incident.peak, incident.limit = score, limit
                incident.severity = max(severity, incident.severity)
                yield Transition("update" if grown else "peak", row, at, replace(incident))
            return
        incident.quiet += 1
        if incident.quiet >= policy.close_after:
            del self.open[row]
            yield Transition("closed", row, at, replace(incident))

    def to_params(self) -> dict[str, Any]:
        """Open incidents, and when those began that may open, as JSON-able data; ``bits`` is kept with the windows."""
        opened = {
            str(row): {"incident": asdict(incident), "evidence": self.evidence.get(row, {})}
            for row, incident in self.open.items()
        }
        return opened | {str(row): {"times": times} for row, times in self.times.items()}

    def restore(self, params: Mapping[str, Any]) -> None:
        """The inverse of :meth:`to_params`."""
        opened = {int(row): kept for row, kept in params.items() if "incident" in kept}
        self.open = {row: Incident(**kept["incident"]) for row, kept in opened.items()}
        self.evidence = {row: kept["evidence"] for row, kept in opened.items()}
        self.times = {int(row): list(kept["times"]) for row, kept in params.items() if "times" in kept}
