"""Everything that happens to the observations of one shard: order, windows, scores, incidents.

The Flink job and offline evaluation both run this class; neither has logic of its own in between, so the same data
gives the same alerts on both paths.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.alert import Alert
from eddy.models.alerting.incidents import NO_POINT, Transition
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.engine.alert_messages import alert_of, context_of, points_of
from eddy.models.engine.cold_start import asking, release
from eddy.models.engine.eviction import evict
from eddy.models.engine.model_updates import follow_models
from eddy.models.engine.options import BatchResult, EngineOptions
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.scoring_stats import ScoringStats
from eddy.models.engine.shadow_routing import shadow_rows, split
from eddy.models.engine.state.codec import BLOCK
from eddy.models.engine.time_budget import CpuBudget
from eddy.models.serving.model_set import ModelSet
from eddy.models.windowing.event_time import EventClock
from eddy.redis_layout import Point

__all__ = ["BatchResult", "Engine", "EngineOptions"]

EVICTION_PERIOD_MS = 60_000


class Engine:
    """The series of one shard, addressed by slot, and the models that judge them."""

    def __init__(
        self,
        models: ModelSet,
        options: EngineOptions,
        report_budget: CpuBudget | None = None,
        maintenance: Maintenance | None = None,
    ) -> None:
        self.models = models
        self.options = options
        self.names: list[str | None] = []  # by slot; None where the slot is free
        self.slot_of: dict[str, int] = {}
        self.clock = EventClock(options.out_of_orderness_ms, options.hold_timeout_ms)
        self.scorers: dict[str, ModelScorer] = {}
        self.seen = np.zeros(0, np.int64)  # wall clock of the last event, by slot
        self.covered = np.zeros(0, np.bool_)  # by slot: whether any model applies
        self.dirty = np.zeros(0, np.bool_)  # pages of slots changed since the last checkpoint
        self.dirty_names = np.zeros(0, np.bool_)
        self.restored: dict[str, dict[int, dict[str, NDArray[Any]]]] = {}  # restored windows of models not loaded yet
        self.restored_incidents: dict[str, dict[str, Any]] = {}
        self.restored_feedback: dict[str, dict[str, Any]] = {}
        self.dirty_restored: set[tuple[str, int]] = set()  # pages of those that lost a series
        self.paused_at = 0  # wall clock of the newest event before a restart; 0 once the job goes on
        self.closing: list[tuple[Alert, bool]] = []  # of incidents whose series or model has gone, whether recorded
        self._free: list[int] = []
        self._generation = -1
        self._budget = float(options.points_per_second)
        self.report_budget = report_budget or CpuBudget(1.0)  # shared by the shards of a worker
        self.maintenance = maintenance or Maintenance(options.alerts.calendars)  # likewise
        self._now = 0
        self._ticked_at = 0
        self._evicted_at = 0

    # -- series ------------------------------------------------------------------------------------------------

    def slots(self, names: Sequence[str]) -> Ints:
        """(n,) slots of series, new ones included."""
        known = self.slot_of
        found = [known.get(name, -1) for name in names]
        if -1 in found:
            self._add(list(dict.fromkeys(name for name in names if name not in known)))
            found = [known[name] for name in names]
        return np.array(found, np.int64)

    def _add(self, names: list[str]) -> None:
        slots = []
        for name in names:
            slot = self._free.pop() if self._free else len(self.names)
            if slot == len(self.names):
                self.names.append(None)
            self.names[slot], self.slot_of[name] = name, slot
            slots.append(slot)
        self._grow()
        self.dirty_names[np.array(slots) // BLOCK] = True
        self._assign(slots)

    def release_slot(self, slot: int, name: str) -> None:
        """Let new series have the slot of one that no judge has any more."""
        self.clock.forget(slot)
        self.names[slot] = None
        del self.slot_of[name]
        self._free.append(slot)
        self.covered[slot] = False
        self.dirty[slot // BLOCK] = self.dirty_names[slot // BLOCK] = True

    def restored_names(self) -> None:
        """Rebuild what follows from :attr:`names` after it was filled from state."""
        self.slot_of = {name: slot for slot, name in enumerate(self.names) if name is not None}
        self._free = [slot for slot, name in enumerate(self.names) if name is None]
        self._grow()

    def _grow(self) -> None:
        self.clock.grow(len(self.names))
        more = len(self.clock.last) - len(self.seen)
        if more > 0:
            self.seen = np.concatenate([self.seen, np.zeros(more, np.int64)])
            self.covered = np.concatenate([self.covered, np.zeros(more, np.bool_)])
            blocks = -(-len(self.seen) // BLOCK) - len(self.dirty)
            self.dirty = np.concatenate([self.dirty, np.zeros(blocks, np.bool_)])
            self.dirty_names = np.concatenate([self.dirty_names, np.zeros(blocks, np.bool_)])

    def _assign(self, slots: Sequence[int]) -> None:
        """Give series to the judges of the models that apply to them and do not have them yet."""
        members: dict[str, list[int]] = {}
        for slot in slots:
            for model in self.models.applying_to(str(self.names[slot])):
                scorer = self.scorers.get(model)
                if scorer is not None and scorer.rows(np.array([slot]))[0] == NO_ROW:
                    members.setdefault(model, []).append(slot)
        for model, chosen in members.items():
            self.scorers[model].add(chosen, [str(self.names[slot]) for slot in chosen])
        for slot in slots:
            self._note_models(slot)
        for scorer in self.scorers.values():
            scorer.recorded = shadow_rows(scorer, self.models.models)

    def _note_models(self, slot: int) -> None:
        intervals = [
            scorer.model.detector.spec.interval_ms
            for scorer in self.scorers.values()
            if slot < len(scorer.row_of) and scorer.row_of[slot] != NO_ROW
        ]
        self.covered[slot] = bool(intervals)
        # Only where every model agrees that points are this far apart can nothing come in between.
        self.clock.interval[slot] = min(intervals) if intervals else 0

    def adopt_models(self) -> bool:
        """Follow changes of the model set, between two batches. Returns whether there were any."""
        if self._generation == self.models.generation:
            return False
        self._generation = self.models.generation
        follow_models(self)
        self._assign([slot for slot, name in enumerate(self.names) if name is not None])
        return True

    def take_scoring_stats(self) -> list[tuple[str, int, ScoringStats]]:
        """(model, version, counts since the last call) of each model that scored anything."""
        scorers = [scorer for scorer in self.scorers.values() if scorer.stats is not None and scorer.stats.windows]
        return [(j.model.manifest.name, j.model.manifest.version, j.stats.take()) for j in scorers if j.stats]

    def close_incident(self, scorer: ModelScorer, row: int, series: str) -> None:
        """Nothing will close an open incident any more: do it now."""
        incident = scorer.incidents.open.get(row)
        if incident is not None:
            transition = Transition("closed", row, NO_POINT, incident)
            self.closing.append((alert_of(transition, scorer, series, 0, self.options.job), incident.recorded))
        scorer.incidents.clear(row)

    def _give_closed(self, result: BatchResult, now: int) -> None:
        for alert, recorded in self.closing:
            (result.recorded if recorded else result.alerts).append(replace(alert, detected_at=now))
        self.closing.clear()

    # -- observations ------------------------------------------------------------------------------------------

    def process(self, slots: Ints, ts: Ints, values: Floats, now: int, final: bool = False) -> BatchResult:
        """Take a batch of observations in order of arrival.

        Args:
            slots: (n,) from :meth:`slots`.
            ts: (n,) event times, epoch ms.
            values: (n, C) in the order of ``models.columns``; NaN = missing.
            now: wall clock, epoch ms.
            final: nothing will follow: release what waits for stragglers.
        """
        self.adopt_models()
        self._now = now
        if self.paused_at:
            self._go_on(now)
        result = BatchResult()
        self._give_closed(result, now)
        if len(slots):
            self.seen[slots] = now
            self.dirty[slots // BLOCK] = True
        admitted = self.clock.admit(slots, ts, values, now, final)
        result.late, result.duplicates = admitted.late, admitted.duplicates
        result.released = len(admitted.slots)
        if len(admitted.slots):
            self.dirty[admitted.slots // BLOCK] = True
            for scorer in self.scorers.values():
                self._run(scorer, admitted.slots, admitted.ts, admitted.values, result)
        return result

    def _run(self, scorer: ModelScorer, slots: Ints, ts: Ints, values: Floats, result: BatchResult) -> None:
        rows = scorer.rows(slots)
        members = rows != NO_ROW
        if not members.any():
            return
        mine: Bools | slice = slice(None) if members.all() else members
        features = [self.models.columns[name] for name in scorer.model.detector.spec.features]
        width = max(features) + 1
        if values.shape[1] < width:  # no observation of this batch has the later features
            values = np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)
        own = values[mine] if features == list(range(values.shape[1])) else values[mine][:, features]
        if np.isnan(own[0]).all() and np.isnan(own).all():
            result.featureless.append((scorer.model.manifest.name, str(self.names[slots[mine][0]])))
        began = time.perf_counter()
        scored = scorer.score_batch(rows[mine], ts[mine], own)
        result.scoring_seconds += time.perf_counter() - began
        result.windows += len(scored.rows)
        evidence = context_of(scored, scorer)
        recorded = split(scored.transitions, scorer)
        for k, transition in enumerate(scored.transitions):
            if k in evidence:
                scorer.incidents.evidence[transition.row] = evidence[k]
            if transition.state == "peak":
                continue
            name = str(self.names[scorer.slot_of[transition.row]])  # type: ignore[index]
            alert = alert_of(transition, scorer, name, self._now, self.options.job)
            (result.recorded if k in recorded else result.alerts).append(alert)
        name = scorer.model.manifest.name
        result.drifts += [(name, scorer.series_of[one.row], one) for one in scored.drifts]
        result.retrain_requests += [(name, scorer.series_of[one.row], one) for one in scored.retrain_requests]
        slots_of = slots[mine][scored.events]
        if self.options.report_scores and len(slots_of):
            result.scores.append((scorer.model.manifest.name, slots_of, scored.batch.end, scored.scores, scored.limits))
        if 0 < len(slots_of) <= self._budget and self.report_budget.left():
            self._budget -= len(slots_of)
            names = [str(self.names[slot]) for slot in slots_of.tolist()]
            with self.report_budget.spend():
                result.points += points_of(scorer, scored.rows, scored.batch, scored.scores, scored.limits, names)

    def _go_on(self, now: int) -> None:
        """Silence counts while the job runs: the time that it was down makes no series older."""
        down, self.paused_at = now - self.paused_at, 0
        if self.options.state_ttl_ms and down > 0:
            self.seen[: len(self.names)] += down
            self.dirty[: -(-len(self.names) // BLOCK)] = True

    # -- time --------------------------------------------------------------------------------------------------

    def tick(self, now: int) -> BatchResult:
        """About once a second: release held events whose time is up, write live state, forget silent series."""
        elapsed = min(max(now - self._ticked_at, 0), 1000)
        self._ticked_at = now
        self._budget = min(
            self._budget + self.options.points_per_second * elapsed / 1000, float(self.options.points_per_second)
        )
        empty = np.zeros(0, np.int64)
        result = self.process(empty, empty, np.zeros((0, len(self.models.columns))), now)
        if self.report_budget.left():
            with self.report_budget.spend():
                result.live = self.live(self.options.live_per_second)
        if self.options.cold is not None:
            release(self)
            result.cold += asking(self, self.options.cold.ask_after)
        if self.options.state_ttl_ms and now - self._evicted_at >= EVICTION_PERIOD_MS:
            self._evicted_at = now
            evict(self, now - self.options.state_ttl_ms)
            self._give_closed(result, now)
        return result

    def live(self, most: int) -> list[Point]:
        """Newest state of up to ``most`` series per model that changed since theirs was last reported."""
        points: list[Point] = []
        for scorer in self.scorers.values():
            rows = scorer.take_stale(most)
            names = [str(self.names[scorer.slot_of[row]]) for row in rows.tolist()]
            points += points_of(scorer, rows, scorer.newest(rows), scorer.score[rows], scorer.limit[rows], names)
        return points

    def detach_series(self, scorer: ModelScorer, slot: int) -> None:
        """Have a judge forget a series that others go on to judge."""
        self.close_incident(scorer, int(scorer.row_of[slot]), str(self.names[slot]))
        scorer.remove(slot)
        self._note_models(slot)
