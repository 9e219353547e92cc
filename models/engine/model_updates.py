"""What an engine does when its models change: new judges, successors of those there, judges that go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eddy.models.alerting.rules import PolicyBook
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.engine.migration import beside, successor
from eddy.models.engine.scorer import NO_ROW, Judge
from eddy.models.engine.scoring_stats import Tally
from eddy.models.engine.state.blocks import restore_page
from eddy.models.serving.model_set import LoadedModel

if TYPE_CHECKING:
    from eddy.models.engine.engine import Engine


def follow_models(engine: Engine) -> None:
    """Have a judge for each model of the set, and no other."""
    for name in [name for name in engine.judges if name not in engine.models.models]:
        _close_open(engine, engine.judges.pop(name))
    for name, model in engine.models.models.items():
        judge = engine.judges.get(name)
        if judge is None:
            engine.judges[name] = _restored(engine, _new_judge(engine, model))
        elif judge.model is not model:
            engine.judges[name] = after = successor(judge, model, _book(engine, model), engine.names)
            _close_open(engine, judge, after)


def _new_judge(engine: Engine, model: LoadedModel) -> Judge:
    options, rollout = engine.options, rollout_of(model.manifest)
    champion = engine.judges.get(rollout.of) if rollout is not None else None
    book = _book(engine, model)
    if champion is not None and model.manifest.name not in engine.unclaimed:  # it begins with full windows
        judge = beside(champion, model, book, engine.names)
    else:
        judge = Judge(model, book, engine.maintenance, options.feedback, options.drift, options.threads)
    judge.tally = Tally() if options.figures else None
    return judge


def _book(engine: Engine, model: LoadedModel) -> PolicyBook:
    options = engine.options
    job = {"out_of_orderness_ms": options.out_of_orderness_ms, "hold_timeout_ms": options.hold_timeout_ms}
    return PolicyBook(options.alerts, model.alerts, model.manifest, job)


def _restored(engine: Engine, judge: Judge) -> Judge:
    """Give a judge the windows and incidents that were restored for its model."""
    name = judge.model.manifest.name
    left = []
    for number, page in engine.unclaimed.pop(name, {}).items():
        left += restore_page(judge, number, page, engine.names)
    judge.incidents.restore(engine.unclaimed_incidents.pop(name, {}))
    judge.feedback.restore(engine.unclaimed_feedback.pop(name, {}))
    for row, series in left:
        engine.close_incident(judge, row, series)
    used = {row for row, slot in enumerate(judge.slot_of) if slot is not None}
    for row in (judge.incidents.concerned() | judge.feedback.rows()) - used:  # series that were forgotten meanwhile
        judge.incidents.clear(row)
        judge.feedback.clear(row)
    return judge


def _close_open(engine: Engine, judge: Judge, after: Judge | None = None) -> None:
    """Close the incidents of a judge that goes, but for those of series that its successor judges."""
    for row in list(judge.incidents.open):
        slot = judge.slot_of[row]
        if slot is not None and (after is None or after.rows(np.array([slot]))[0] == NO_ROW):
            engine.close_incident(judge, row, str(engine.names[slot]))
