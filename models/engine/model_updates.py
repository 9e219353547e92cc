"""What an engine does when its models change: new judges, successors of those there, judges that go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eddy.models.alerting.rules import AlertRuleResolver
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.engine.migration import beside, successor
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.scoring_stats import ScoringStats
from eddy.models.engine.state.blocks import restore_block
from eddy.models.serving.model_set import LoadedModel

if TYPE_CHECKING:
    from eddy.models.engine.engine import Engine


def follow_models(engine: Engine) -> None:
    """Have a judge for each model of the set, and no other."""
    for name in [name for name in engine.scorers if name not in engine.models.models]:
        _close_open(engine, engine.scorers.pop(name))
    for name, model in engine.models.models.items():
        scorer = engine.scorers.get(name)
        if scorer is None:
            engine.scorers[name] = _restored(engine, _new_scorer(engine, model))
        elif scorer.model is not model:
            engine.scorers[name] = after = successor(scorer, model, _book(engine, model), engine.names)
            _close_open(engine, scorer, after)


def _new_scorer(engine: Engine, model: LoadedModel) -> ModelScorer:
    options, rollout = engine.options, rollout_of(model.manifest)
    champion = engine.scorers.get(rollout.of) if rollout is not None else None
    book = _book(engine, model)
    if champion is not None and model.manifest.name not in engine.restored:  # it begins with full windows
        scorer = beside(champion, model, book, engine.names)
    else:
        scorer = ModelScorer(model, book, engine.maintenance, options.feedback, options.drift, options.threads)
    scorer.stats = ScoringStats() if options.figures else None
    return scorer


def _book(engine: Engine, model: LoadedModel) -> AlertRuleResolver:
    options = engine.options
    job = {"out_of_orderness_ms": options.out_of_orderness_ms, "hold_timeout_ms": options.hold_timeout_ms}
    return AlertRuleResolver(options.alerts, model.alerts, model.manifest, job)


def _restored(engine: Engine, scorer: ModelScorer) -> ModelScorer:
    """Give a judge the windows and incidents that were restored for its model."""
    name = scorer.model.manifest.name
    left = []
    for number, block in engine.restored.pop(name, {}).items():
        left += restore_block(scorer, number, block, engine.names)
    scorer.incidents.restore(engine.restored_incidents.pop(name, {}))
    scorer.feedback.restore(engine.restored_feedback.pop(name, {}))
    for row, series in left:
        engine.close_incident(scorer, row, series)
    used = {row for row, slot in enumerate(scorer.slot_of) if slot is not None}
    for row in (scorer.incidents.concerned() | scorer.feedback.rows()) - used:  # series that were forgotten meanwhile
        scorer.incidents.clear(row)
        scorer.feedback.clear(row)
    return scorer


def _close_open(engine: Engine, scorer: ModelScorer, after: ModelScorer | None = None) -> None:
    """Close the incidents of a judge that goes, but for those of series that its successor judges."""
    for row in list(scorer.incidents.open):
        slot = scorer.slot_of[row]
        if slot is not None and (after is None or after.rows(np.array([slot]))[0] == NO_ROW):
            engine.close_incident(scorer, row, str(engine.names[slot]))
