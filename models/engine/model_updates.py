"""Follow the model set: make scorers for new models, replace those of new versions, give up those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from eddy.alert import incident_id
from eddy.models.alerting.feedback import SeriesFeedback
from eddy.models.alerting.incidents import IncidentTracker
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.alerting.rules import AlertRuleResolver
from eddy.models.artifacts.rollout import rollout_of
from eddy.models.engine.alert_messages import Closing, close_incident, closed_without_model
from eddy.models.engine.migration import migrate, rows_of
from eddy.models.engine.options import EngineOptions
from eddy.models.engine.rollout import ScoringStats
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.state.blocks import meaning_in, restore_block
from eddy.models.engine.state.codec import BLOCK
from eddy.models.engine.state.restored import RestoredModel, RestoredState
from eddy.models.serving.loaded_model import LoadedModel

Names = Sequence[str | None]


class ModelUpdate(NamedTuple):
    """The scorers after an update, and the incidents that closed with it."""

    scorers: dict[str, ModelScorer]
    closed: list[Closing]


class ModelUpdater:
    """Makes the scorers of one engine.

    Args:
        options: of the engine.
        maintenance: times in which nobody is notified.
    """

    def __init__(self, options: EngineOptions, maintenance: Maintenance) -> None:
        self._options, self._maintenance = options, maintenance

    def update(
        self,
        before: Mapping[str, ModelScorer],
        models: Mapping[str, LoadedModel],
        names: Names,
        restored: RestoredState,
        withdrawn: Sequence[str] = (),
    ) -> ModelUpdate:
        """Make a scorer for each model, and no other.

        Args:
            before: scorers by model name; those of unchanged models are kept as they are.
            models: the models of now.
            names: series ids by slot.
            restored: state of models that were not loaded when it was restored; new scorers claim theirs.
            withdrawn: models of it that will never be loaded.
        """
        scorers, closed = dict(before), []
        for name in withdrawn:
            closed += self._close_restored(name, restored.remove(name), names)
        for name in [name for name in before if name not in models]:
            closed += self._close(scorers.pop(name), names)
        for name, model in models.items():
            scorer = scorers.get(name)
            if scorer is None:
                scorers[name], left = self._first(model, scorers, names, restored)
                closed += left
            elif scorer.model is not model:
                scorers[name] = after = self._successor(scorer, model, names)
                closed += self._close(scorer, names, after)
        return ModelUpdate(scorers, closed)

    def _scorer(self, model: LoadedModel) -> ModelScorer:
        options = self._options
        job = {
            "out_of_orderness_ms": options.out_of_orderness_ms,
            "hold_timeout_ms": options.hold_timeout_ms,
            **({"input": options.inputs} if options.inputs else {}),
        }
        rules = AlertRuleResolver(options.alerts, model.alerts, model.manifest, job)
        scorer = ModelScorer(
            model,
            rules,
            self._maintenance,
            options.feedback,
            options.drift,
            options.threads,
            live=options.live_per_second > 0,
        )
        scorer.stats = ScoringStats() if options.figures else None
        return scorer

    def _first(
        self, model: LoadedModel, scorers: Mapping[str, ModelScorer], names: Names, restored: RestoredState
    ) -> tuple[ModelScorer, list[Closing]]:
        """Make the scorer of a model that has none: from restored state, or beside the model that it may replace."""
        name, rollout = model.manifest.name, rollout_of(model.manifest)
        champion = scorers.get(rollout.of) if rollout is not None else None
        if champion is not None and name not in restored:  # it begins with full windows
            scorer = self._successor(champion, model, names)
            scorer.incidents = IncidentTracker()
            scorer.incidents.grow(len(scorer.store.head))
        else:
            scorer = self._scorer(model)
        return scorer, self._claim(scorer, names, restored)

    def _claim(self, scorer: ModelScorer, names: Names, restored: RestoredState) -> list[Closing]:
        """Give a scorer the windows and incidents that were restored for its model."""
        own, left = restored.claim(scorer.model.manifest.name), []
        for number, block in own.blocks.items():
            left += restore_block(scorer, number, block, names)
        scorer.incidents.restore(own.incidents)
        scorer.feedback.restore(own.feedback)
        closed = [one for row, series in left for one in close_incident(scorer, row, series, self._options.job)]
        unused = (scorer.incidents.concerned() | scorer.feedback.rows()) - scorer.series_of.keys()
        for row in unused:  # series that were forgotten meanwhile
            scorer.incidents.clear(row)
            scorer.feedback.clear(row)
        return closed

    def _successor(self, before: ModelScorer, model: LoadedModel, names: Names) -> ModelScorer:
        """Make the scorer of a new version, with what can be kept: windows, state, feedback, incidents."""
        scorer = self._scorer(model)
        members = [
            (slot, row)
            for row, slot in enumerate(before.slot_of)
            if slot is not None and names[slot] is not None and model.manifest.applies_to(str(names[slot]))
        ]
        if self._options.max_model_bytes:  # a larger window leaves room for fewer series
            members = members[: self._options.max_model_bytes // model.series_bytes]
        slots = [slot for slot, _ in members]
        scorer.add(slots, [str(names[slot]) for slot in slots])
        to = scorer.rows(np.array(slots, np.int64))
        rows = np.array([row for _, row in members], np.int64)
        migrate(scorer, to, rows_of(before), rows)
        scorer.incidents.bits[to] = before.incidents.bits[rows]
        scorer.score[to], scorer.limit[to] = before.score[rows], before.limit[rows]
        scorer.report_again(to[before.stale[rows]])
        new_row = dict(zip(rows.tolist(), to.tolist(), strict=True))
        for other in (before.incidents.concerned() | before.feedback.rows()) & new_row.keys():  # few of all series
            scorer.feedback.adopt(new_row[other], before.feedback, other)
            scorer.incidents.adopt(new_row[other], before.incidents, other)
        scorer.dirty[:] = True
        return scorer

    def _close(self, scorer: ModelScorer, names: Names, after: ModelScorer | None = None) -> list[Closing]:
        """Close the incidents of a scorer that goes, except on series that its successor scores."""
        closed = []
        for row in list(scorer.incidents.open):
            slot = scorer.slot_of[row]
            if slot is not None and (after is None or after.row(slot) == NO_ROW):
                closed += close_incident(scorer, row, str(names[slot]), self._options.job)
        return closed

    def _close_restored(self, name: str, own: RestoredModel, names: Names) -> list[Closing]:
        """Close the incidents of a model that was withdrawn while the job was down."""
        incidents, feedback = IncidentTracker(), SeriesFeedback()
        incidents.restore(own.incidents)
        feedback.restore(own.feedback)
        closed = []
        for number, block in own.blocks.items():
            meaning = meaning_in(block)
            model = {"name": name, "version": meaning.get("version", 0), "sha256": meaning["drift"][-1]}
            for row, slot in enumerate(block["slot"].tolist(), number * BLOCK):
                series, incident = names[slot] if slot != NO_ROW else None, incidents.open.get(row)
                if series is not None and incident is not None:
                    acknowledged = feedback.acknowledged(row, incident_id(series, name, incident.start))
                    closed.append(
                        closed_without_model(
                            incident,
                            incidents.evidence[row],
                            series,
                            model,
                            detector=str(meaning["detector"]).split("/")[0],
                            job=self._options.job,
                            group=self._options.alerts.group_of(incident.start),
                            acknowledged=acknowledged,
                        )
                    )
        return closed
