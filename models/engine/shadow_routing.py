"""Whose alerts call nobody while a new version is rolled out (see :mod:`eddy.models.artifacts.rollout`), and which those are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eddy.models.alerting.incidents import Transition
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.engine.scorer import ModelScorer
from eddy.models.serving.model_set import LoadedModel


def shadow_rows(scorer: ModelScorer, models: Mapping[str, LoadedModel]) -> frozenset[int]:
    """Rows of a judge whose alerts are only recorded."""
    own = rollout_of(scorer.model.manifest)
    if own is not None:
        return frozenset(row for row, series in scorer.series_of.items() if not own.calls(series))
    name = scorer.model.manifest.name
    rivals = [(m.manifest, r) for m in models.values() if (r := rollout_of(m.manifest)) is not None and r.of == name]
    if not rivals:
        return frozenset()
    return frozenset(
        row
        for row, series in scorer.series_of.items()
        if any(rollout.calls(series) and manifest.applies_to(series) for manifest, rollout in rivals)
    )


def split(transitions: Sequence[Transition], scorer: ModelScorer) -> frozenset[int]:
    """Indices of the transitions that are only recorded; marks the incidents that begin so.

    An incident stays what it was when it opened, whatever the roll-out does meanwhile: what was opened is closed where
    it was opened.
    """
    if not scorer.recorded and not any(one.incident.recorded for one in transitions):
        return frozenset()
    found, opened = [], set()
    for k, one in enumerate(transitions):
        if one.state == "open" and one.row in scorer.recorded and one.incident.updates == 0:
            opened.add(one.row)
            if one.row in scorer.incidents.open:
                scorer.incidents.open[one.row].recorded = True
        if one.incident.recorded or one.row in opened:
            found.append(k)
        if one.state == "closed":
            opened.discard(one.row)
    return frozenset(found)
