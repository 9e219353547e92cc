"""The judge of another version: what it takes over from the one before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.alerting.incidents import IncidentTracker
from eddy.models.alerting.rules import AlertRuleResolver
from eddy.models.engine.scorer import ModelScorer
from eddy.models.engine.scoring_stats import ScoringStats
from eddy.models.serving.model_set import LoadedModel


def successor(
    before: ModelScorer, model: LoadedModel, book: AlertRuleResolver, names: Sequence[str | None]
) -> ModelScorer:
    """The judge of a new version of the same model, with what can be kept: windows, incidents, state.

    Args:
        before: the judge of the version before.
        model, book: the new version.
        names: series ids by slot.
    """
    old, new = before.model.detector, model.detector
    scorer = ModelScorer(model, book, before.maintenance, before.feedback.options, before.drift_options, before.threads)
    members = [
        (slot, row)
        for row, slot in enumerate(before.slot_of)
        if slot is not None and names[slot] is not None and model.manifest.applies_to(str(names[slot]))
    ]
    scorer.add([slot for slot, _ in members], [str(names[slot]) for slot, _ in members])
    same_points = (old.spec.features, old.spec.interval_ms) == (new.spec.features, new.spec.interval_ms)
    for slot, row in members:
        at = int(scorer.row_of[slot])
        if same_points:
            scorer.store.adopt(at, before.store, row)
            if (old.spec.window, old.spec.stride) == (new.spec.window, new.spec.stride):
                scorer.store.until_due[at] = before.store.until_due[row]
        scorer.feedback.adopt(at, before.feedback, row)
        scorer.incidents.adopt(at, before.incidents, row)
    if members:
        to = scorer.row_of[[slot for slot, _ in members]]
        rows = np.array([row for _, row in members], np.int64)
        if old.kind == new.kind and old.state_size == new.state_size:
            scorer.state[to] = before.state[rows]
        if (old.kind, before.model.threshold.state_layout) == (new.kind, model.threshold.state_layout):
            scorer.threshold_state[to] = before.threshold_state[rows]
        if scorer.drift is not None and before.drift is not None:
            scorer.drift.adopt(to, before.drift, rows, before.model.manifest.sha256 == model.manifest.sha256)
    scorer.dirty[:] = True
    scorer.stats = None if before.stats is None else ScoringStats()
    return scorer


def beside(
    champion: ModelScorer, model: LoadedModel, book: AlertRuleResolver, names: Sequence[str | None]
) -> ModelScorer:
    """The judge of a model that is tried beside another: with its windows, without its incidents."""
    scorer = successor(champion, model, book, names)
    scorer.incidents = IncidentTracker()
    scorer.incidents.grow(len(scorer.store.head))
    return scorer
