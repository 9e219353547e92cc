"""Serve a roll-out: tell shadow alerts from those for people, and count how often each version alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from eddy.models.alerting.incidents import Incident, Transition
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.core.detector import Floats


def shadow_rows(manifest: Manifest, models: Iterable[Manifest], series_of: Mapping[int, str]) -> set[int]:
    """Choose the rows whose alerts nobody is notified of.

    Args:
        manifest: the model that scores the rows.
        models: all models in use.
        series_of: series ids by row.
    """
    own = rollout_of(manifest)
    if own is not None:
        return {row for row, series in series_of.items() if not own.calls(series)}
    rivals = [(m, r) for m in models if (r := rollout_of(m)) is not None and r.of == manifest.name]
    if not rivals:
        return set()
    return {
        row
        for row, series in series_of.items()
        if any(rollout.calls(series) and rival.applies_to(series) for rival, rollout in rivals)
    }


def mark_shadow(transitions: Sequence[Transition], shadow: Set[int], incidents: Mapping[int, Incident]) -> set[int]:
    """Choose the transitions that are shadow alerts, and mark the incidents that begin so.

    An incident stays what it was when it opened, whatever the roll-out does meanwhile: it closes where it opened.

    Args:
        transitions: of one model, in order.
        shadow: its rows from :func:`shadow_rows`.
        incidents: its open incidents by row; ``recorded`` is set in those that begin.

    Returns:
        Indices of transitions.
    """
    if not shadow and not any(one.incident.recorded for one in transitions):
        return set()
    found, opened = set(), set()
    for k, one in enumerate(transitions):
        if one.state == "open" and one.row in shadow and one.incident.updates == 0:
            opened.add(one.row)
            if one.row in incidents:
                incidents[one.row].recorded = True
        if one.incident.recorded or one.row in opened:
            found.add(k)
        if one.state == "closed":
            opened.discard(one.row)
    return found


@dataclass
class ScoringStats:
    """Counts since they were last taken: windows scored, those above the limit, those without a score."""

    windows: int = 0
    alarms: int = 0
    silent: int = 0

    def add(self, scores: Floats, limits: Floats) -> None:
        """Count (n,) scored windows."""
        self.windows += len(scores)
        self.alarms += int(np.count_nonzero(scores > limits))
        self.silent += int(np.count_nonzero(np.isnan(scores)))

    def take(self) -> ScoringStats:
        """Return the counts and start anew."""
        taken = ScoringStats(self.windows, self.alarms, self.silent)
        self.windows = self.alarms = self.silent = 0
        return taken
