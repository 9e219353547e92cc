"""Match alerts with labelled incidents: count what was found, missed and false, and measure delays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from eddy.alert import Alert

#: Points after a label's end at which an alert still counts for it: the return to normal is part of the incident.
GRACE_POINTS = 8


class Labelled(Protocol):
    """Describe a labelled incident: series, and epoch ms of its first and last affected point."""

    @property
    def series(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def kind(self) -> str: ...


@dataclass(frozen=True)
class Match:
    """Hold the result of :func:`match`.

    Attributes:
        labelled, found: number of labelled incidents, and number of those with an alert.
        missed: labelled incidents without an alert, as texts.
        incidents: number of alerted incidents; ``false``: number of those that match no label.
        delays: per found label, points from its first affected one to the one that opened the alert (at least 0).
        by_kind: kind to (found, labelled).
    """

    labelled: int
    found: int
    missed: list[str]
    incidents: int
    false: int
    delays: list[float] = field(default_factory=list)
    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def recall(self) -> float:
        """Return the share of labelled incidents found; NaN without labels."""
        return self.found / self.labelled if self.labelled else float("nan")

    @property
    def false_per_incident(self) -> float:
        """Return false alerts per labelled incident; NaN without labels."""
        return self.false / self.labelled if self.labelled else float("nan")

    @property
    def median_delay(self) -> float:
        """Return the median delay in points; NaN if nothing was found."""
        return float(np.median(self.delays)) if self.delays else float("nan")


def match(alerts: Iterable[Alert], labels: Sequence[Labelled], intervals: Mapping[str, int]) -> Match:
    """Match incidents with labels of the same series that they overlap.

    Args:
        alerts: messages in any order; those of one incident share an id. Several models may find one label. Groups and
            suppressed messages are left out.
        labels: the labelled incidents.
        intervals: sampling interval of each series, ms.
    """
    opened: dict[str, Alert] = {}
    last: dict[str, Alert] = {}
    for alert in alerts:
        if alert.suppressed or alert.kind != "incident":
            continue  # notifies nobody; a group's members are counted themselves
        if alert.state == "open":
            opened[alert.id] = alert
        if alert.id not in last or alert.end >= last[alert.id].end:
            last[alert.id] = alert
    of_series: dict[str, list[Labelled]] = {}
    for label in labels:
        of_series.setdefault(label.series, []).append(label)
    first_seen: dict[int, int] = {}
    false = 0
    for number, alert in last.items():
        begin = opened.get(number, alert)
        reach = GRACE_POINTS * intervals[alert.series]
        hits = [x for x in of_series.get(alert.series, []) if alert.start <= x.end + reach and alert.end >= x.start]
        false += not hits
        for label in hits:
            delay = max(begin.end - label.start, 0)
            first_seen[id(label)] = min(first_seen.get(id(label), delay), delay)
    by_kind: dict[str, tuple[int, int]] = {}
    for label in labels:
        found, total = by_kind.get(label.kind, (0, 0))
        by_kind[label.kind] = (found + (id(label) in first_seen), total + 1)
    return Match(
        labelled=len(labels),
        found=len(first_seen),
        missed=[f"{x.series} {x.kind} at {x.start}" for x in labels if id(x) not in first_seen],
        incidents=len(last),
        false=false,
        delays=[first_seen[id(x)] / intervals[x.series] for x in labels if id(x) in first_seen],
        by_kind=by_kind,
    )
