"""Run the observations of one shard through order, windows, scores and incidents.

The Flink job and offline evaluation both run this class; neither has logic of its own in between, so the same data
gives the same alerts on both paths.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eddy.feedback import Feedback
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.core.detector import Bools, Floats, Ints
from eddy.models.engine.alert_messages import Closing, alert_of, close_incident, context_of, points_of
from eddy.models.engine.batch_result import BatchResult
from eddy.models.engine.cold_start import due_for_training, ready_to_release
from eddy.models.engine.feedback import Effect, apply_feedback
from eddy.models.engine.model_updates import ModelUpdater
from eddy.models.engine.options import EngineOptions
from eddy.models.engine.rollout import ScoringStats, mark_shadow, shadow_rows
from eddy.models.engine.scorer import NO_ROW, ModelScorer
from eddy.models.engine.series_table import SeriesTable
from eddy.models.engine.silent_series import closed_by_silence, falling_silent, follow
from eddy.models.engine.state.restored import RestoredState
from eddy.models.engine.time_budget import CpuBudget
from eddy.models.serving.model_set import COLD, ModelSet
from eddy.models.silence.monitor import SilenceMonitor
from eddy.models.windowing.event_time import ALWAYS, Admitted, Ahead, EventClock
from eddy.models.windowing.partitions import Origins
from eddy.redis_layout import Point

__all__ = ["BatchResult", "Engine", "EngineOptions"]

EVICTION_PERIOD_MS = 60_000
_MAX_NUMBERS_AT_ONCE = 8 * 1024 * 1024  # in the windows of a batch: 64 MiB; a longer batch is scored in parts
_MAX_HELD_BYTES, _HELD_EVENT_BYTES = 64 * 1024 * 1024, 40  # of the reorder buffer; of an event beside its values
INTERVAL_CHECK_PERIOD_MS = 10_000
MAX_EVICTED_PER_TICK = 1_000  # a fleet that was switched off goes over several ticks, so that no event waits


class Engine:
    """The series of one shard, addressed by slot, and the models that score them.

    Args:
        models: the models in use, which others may change between two batches.
        options: see there.
        report_budget: bounds the time that reports take; shared by the shards of a worker.
        maintenance: times in which nobody is notified; shared likewise.

    Attributes:
        series: slots and names.
        clock: event time by slot.
        scorers: by model name.
        covered: (slots,) whether any model applies to the series.
        restored: state of models that are not loaded yet.
        paused_at: wall clock of the newest event before a restart; 0 once the job goes on.
        closing: messages of incidents whose series or model has gone, for the next result.
        silence: follows series that send nothing; None: the settings do not ask for it.
    """

    def __init__(
        self,
        models: ModelSet,
        options: EngineOptions,
        report_budget: CpuBudget | None = None,
        maintenance: Maintenance | None = None,
    ) -> None:
        self.models = models
        self.options = options
        self.series = SeriesTable()
        self.clock = EventClock(options.out_of_orderness_ms, options.hold_timeout_ms)
        self.scorers: dict[str, ModelScorer] = {}
        self.covered = np.zeros(0, np.bool_)
        self.restored = RestoredState()
        self.paused_at = 0
        self.closing: list[Closing] = []
        self.report_budget = report_budget or CpuBudget(1.0)
        maintenance = maintenance or Maintenance(options.alerts.calendars)
        self._updater = ModelUpdater(options, maintenance)
        self.silence: SilenceMonitor | None = None
        if options.alerts.silent:
            alerts = options.alerts
            self.silence = SilenceMonitor(alerts.silent, options.job, maintenance, alerts.group_of)
        self._generation = -1
        self._crowded: dict[str, int] = {}  # series that a model has no room for, since the last result
        self._was_crowded = False  # since models were assigned to all series
        self._points_left = float(options.points_per_second)
        self._now = 0
        self._ticked_at = 0
        self._evicted_at = 0
        self._intervals_checked_at = 0

    # -- series ------------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str | None]:
        """Series ids by slot; None where the slot is free."""
        return self.series.names

    @property
    def slot_of(self) -> dict[str, int]:
        """Slots by series id."""
        return self.series.slot_of

    def slots(self, names: Sequence[str]) -> Ints:
        """Return the (n,) slots of series, new ones included."""
        slots, added = self.series.slots(names)
        if added:
            self.grow()
            self._assign(added)
            if self.silence is not None:
                self.silence.bind(added, [str(self.names[slot]) for slot in added])
        return slots

    def grow(self) -> None:
        """Make room for all slots of :attr:`series`."""
        self.clock.grow(len(self.series))
        more = len(self.clock.last) - len(self.covered)
        self.covered = np.concatenate([self.covered, np.zeros(max(more, 0), np.bool_)])

    def _assign(self, slots: Sequence[int]) -> None:
        """Give series to the scorers of the models that apply to them and do not have them yet."""
        at = np.array(slots, np.int64)
        manifests = [model.manifest for model in self.models.models.values()]
        for model, fits in self.models.assigned([str(self.names[slot]) for slot in slots]).items():
            scorer = self.scorers.get(model)
            if scorer is None:
                continue
            fitting = at[fits & (scorer.rows(at) == NO_ROW)].tolist()
            if not fitting:
                continue
            chosen = fitting[: self._room(scorer)]
            if len(chosen) < len(fitting):
                self._crowded[model] = self._crowded.get(model, 0) + len(fitting) - len(chosen)
                self._was_crowded = True
            scorer.add(chosen, [str(self.names[slot]) for slot in chosen])
            new = {scorer.row(slot): str(self.names[slot]) for slot in chosen}
            scorer.shadow |= shadow_rows(scorer.model.manifest, manifests, new)
        self._note_models(at)

    def _room(self, scorer: ModelScorer) -> int:
        """Count the series that a scorer may still take."""
        limit = self.options.max_model_bytes
        most = limit // scorer.model.series_bytes if limit else len(self.series)
        return max(most - len(scorer.series_of), 0)

    def _note_models(self, slots: Ints) -> None:
        """Note which slots any model scores, and how far their points are apart where all of their models agree."""
        far = np.iinfo(np.int64).max
        interval = np.full(len(slots), far)
        for scorer in self.scorers.values():
            has = scorer.rows(slots) != NO_ROW
            interval[has] = np.minimum(interval[has], scorer.model.detector.spec.interval_ms)
        self.covered[slots] = interval < far
        # Only where every model agrees that points are this far apart can nothing come in between.
        self.clock.interval[slots] = np.where(interval < far, interval, 0)

    def adopt_models(self) -> bool:
        """Follow changes of the model set, between two batches. Returns whether there were any."""
        if self._generation == self.models.generation:
            return False
        self._generation = self.models.generation
        models = self.models.models
        withdrawn = self.models.withdrawn(self.restored.models)
        self.scorers, closed = self._updater.update(self.scorers, models, self.names, self.restored, withdrawn)
        self.closing += closed
        self._was_crowded = False
        manifests = [model.manifest for model in models.values()]
        for scorer in self.scorers.values():
            scorer.shadow = shadow_rows(scorer.model.manifest, manifests, scorer.series_of)
        self._assign([slot for slot, name in enumerate(self.names) if name is not None])
        return True

    def take_scoring_stats(self) -> list[tuple[str, int, ScoringStats]]:
        """Take (model, version, counts since the last call) of each model that scored anything."""
        scorers = [scorer for scorer in self.scorers.values() if scorer.stats is not None and scorer.stats.windows]
        return [(j.model.manifest.name, j.model.manifest.version, j.stats.take()) for j in scorers if j.stats]

    def take_feedback(self, feedback: Feedback, now: int) -> list[Effect]:
        """Apply one message of people's feedback; a repeat of it has no effect.

        A series that nothing was seen of yet gets a slot, so that feedback may come before a new job's first
        observation; it is forgotten like any series that stays silent.

        Args:
            feedback: on an incident of a series of this shard.
            now: steady clock, epoch ms.
        """
        slots = self.slots([feedback.series])
        self.series.touch(slots, max(int(self.series.seen[slots[0]]), now))
        return apply_feedback(self.scorers, int(slots[0]), feedback)

    def _report_closed(self, result: BatchResult, now: int) -> None:
        for alert, shadow in self.closing:
            (result.shadow if shadow else result.alerts).append(replace(alert, detected_at=now))
        self.closing.clear()

    # -- observations ------------------------------------------------------------------------------------------

    def process(
        self,
        slots: Ints,
        ts: Ints,
        values: Floats,
        now: int,
        final: bool = False,
        steady: int | None = None,
        origins: Origins | None = None,
    ) -> BatchResult:
        """Score a batch of observations in order of arrival.

        Args:
            slots: (n,) from :meth:`slots`.
            ts: (n,) event times, epoch ms.
            values: (n, C) in the order of ``models.columns``; NaN = missing.
            now: wall clock, epoch ms; stamped on alerts.
            final: nothing will follow: release all events that are held.
            steady: clock for durations, epoch ms, which no step of the wall clock moves; default: ``now``. Given, it
                also says, with ``now``, which event times lie in the future.
            origins: where the observations come from.
        """
        worker, steady_given = ALWAYS if steady is None else max(now, steady), steady is not None
        steady = now if steady is None else steady
        self.adopt_models()
        self._now = now
        if self.paused_at:
            self._resume(steady)
        result = BatchResult()
        self._report_closed(result, now)
        result.crowded, self._crowded = list(self._crowded.items()), {}
        if len(slots):
            self.series.touch(slots, steady)
        admitted = self.clock.admit(slots, ts, values, steady, final, worker, origins)
        result.late, result.duplicates, result.parked = admitted.late, admitted.duplicates, admitted.parked
        if self.silence is not None:
            follow(self.silence, slots, ts, origins, admitted, now if steady_given else 0)
            self._report_silence(self.silence, now, result)
        self._release(admitted, now, result)
        if self.clock.waiting - self.clock.parked > self._max_held():  # all at once, so that each costs its share only
            result.released_early = self.clock.waiting - self.clock.parked
            rest = self.clock.admit(slots[:0], ts[:0], values[:0], steady, worker=worker, early=True)
            self._release(rest, now, result)
        return result

    def _report_silence(self, silence: SilenceMonitor, now: int, result: BatchResult) -> None:
        """Report silent series; their other open incidents say so, and are closed in time."""
        alerts, fallen, overdue = silence.take()
        result.alerts += [replace(alert, detected_at=now) for alert in alerts]
        for one in fallen:
            for alert, shadow in falling_silent(self.scorers, one, self.options.job):
                (result.shadow if shadow else result.alerts).append(replace(alert, detected_at=now))
        for slot in overdue:
            self.closing += closed_by_silence(self.scorers, slot, silence.open.get(slot), self.options.job)
        if overdue:
            self._report_closed(result, now)

    def _max_held(self) -> int:
        """Count the events that the reorder buffer may hold: each takes a place, and a number for every feature."""
        event_bytes = _HELD_EVENT_BYTES + 8 * len(self.models.columns)
        return min(self.options.max_held_events, _MAX_HELD_BYTES // event_bytes)

    def _release(self, admitted: Admitted, now: int, result: BatchResult) -> None:
        result.ahead += admitted.ahead
        result.released += len(admitted.slots)
        start = 0
        for back in admitted.taken_back:  # what was learned by the wrong clock goes, before the series goes on
            self._run_all(admitted, slice(start, back.at), result)
            start = back.at
            result.taken_back.append((str(self.names[back.slot]), back.last, back.ts))
            self._begin_anew(np.array([back.slot]))
            self._report_closed(result, now)
        self._run_all(admitted, slice(start, None), result)

    def _run_all(self, admitted: Admitted, part: slice, result: BatchResult) -> None:
        slots = admitted.slots[part]
        if len(slots):
            self.series.mark(slots)
            for scorer in self.scorers.values():
                self._run(scorer, slots, admitted.ts[part], admitted.values[part], result)

    def _begin_anew(self, slots: Ints) -> None:
        """Forget what models know of series that go on; their open incidents are closed."""
        for scorer in self.scorers.values():
            self._detach(scorer, slots)
        self.restored.drop_series(slots)
        self._assign(slots.tolist())

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
        rows, slots, ts = rows[mine], slots[mine], ts[mine]
        own, turns, increases = scorer.convert(rows, ts, own)
        if turns is None or increases is None:
            self._score_parts(scorer, rows, slots, ts, own, result)
            return
        for turn in range(int(turns.max()) + 1):
            part = np.flatnonzero(turns == turn)
            if turn:
                begun, first = np.unique(rows[part], return_index=True)
                self._begin_anew_as(scorer, begun, increases[part[first]], result)
            self._score_parts(scorer, rows[part], slots[part], ts[part], own[part], result)

    def _begin_anew_as(self, scorer: ModelScorer, rows: Ints, increases: Bools, result: BatchResult) -> None:
        """Have a scorer begin anew with rows that turned out to be counters, or to be none; their incidents close."""
        for row in rows.tolist():
            self.closing += close_incident(scorer, row, scorer.series_of[row], self.options.job)
        scorer.begin_anew(rows, increases)
        self._report_closed(result, self._now)

    def _score_parts(
        self, scorer: ModelScorer, rows: Ints, slots: Ints, ts: Ints, values: Floats, result: BatchResult
    ) -> None:
        spec = scorer.model.detector.spec
        step = max(_MAX_NUMBERS_AT_ONCE // (spec.window * len(spec.features)), 1)
        for at in range(0, len(rows), step):
            part = slice(at, at + step)
            self._score(scorer, rows[part], slots[part], ts[part], values[part], result)

    def _score(
        self, scorer: ModelScorer, rows: Ints, slots: Ints, ts: Ints, values: Floats, result: BatchResult
    ) -> None:
        began = time.perf_counter()
        scored = scorer.score_batch(rows, ts, values)
        result.scoring_seconds += time.perf_counter() - began
        result.windows += len(scored.rows)
        evidence = context_of(scored, scorer)
        shadow = mark_shadow(scored.transitions, scorer.shadow, scorer.incidents.open)
        for k, transition in enumerate(scored.transitions):
            if k in evidence:
                scorer.incidents.evidence[transition.row] = evidence[k]
            if transition.state == "peak":
                continue
            name = scorer.series_of[transition.row]
            alert = alert_of(transition, scorer, name, self._now, self.options.job)
            (result.shadow if k in shadow else result.alerts).append(alert)
        name = scorer.model.manifest.name
        result.drifts += [(name, scorer.series_of[one.row], one) for one in scored.drifts]
        result.retrain_requests += [(name, scorer.series_of[one.row], one) for one in scored.retrain_requests]
        slots_of = slots[scored.events]
        if self.options.report_scores and len(slots_of):
            result.scores.append((scorer.model.manifest.name, slots_of, scored.batch.end, scored.scores, scored.limits))
        if 0 < len(slots_of) <= self._points_left and self.report_budget.left():
            self._points_left -= len(slots_of)
            names = [str(self.names[slot]) for slot in slots_of.tolist()]
            with self.report_budget.spend():
                windows = scored.take(np.arange(len(scored.rows)))
                result.points += points_of(scorer, scored.rows, windows, scored.scores, scored.limits, names)
        self._note_failure(scorer, result)

    def _note_failure(self, scorer: ModelScorer, result: BatchResult) -> None:
        if failure := scorer.take_failure():
            result.failures.append((scorer.model.manifest.name, scorer.model.manifest.version, failure))

    def _resume(self, now: int) -> None:
        """Take the time that the job was down off the silence of every series, and off the wait of held events.

        A clock that was put back meanwhile makes it less than none.
        """
        down, self.paused_at = now - self.paused_at, 0
        self.clock.postpone(down)
        if self.options.state_ttl_ms:
            self.series.postpone(down)

    # -- time --------------------------------------------------------------------------------------------------

    def tick(self, now: int, steady: int | None = None) -> BatchResult:
        """Once a second or so: release held events whose time is up, report live state, forget silent series.

        Args:
            now, steady: as in :meth:`process`.
        """
        at = now if steady is None else steady
        elapsed, rate = min(max(at - self._ticked_at, 0), 1000), self.options.points_per_second
        self._ticked_at = at
        self._points_left = min(self._points_left + rate * elapsed / 1000, float(rate))
        empty = np.zeros(0, np.int64)
        result = self.process(empty, empty, np.zeros((0, len(self.models.columns))), now, steady=steady)
        if self.report_budget.left():
            with self.report_budget.spend():
                result.live = self.live(self.options.live_per_second)
            for scorer in self.scorers.values():
                self._note_failure(scorer, result)
        if self.options.cold is not None and COLD in self.scorers:
            result.cold += self._follow_cold_start(self.scorers[COLD], self.options.cold.ask_after)
        if at - self._intervals_checked_at >= INTERVAL_CHECK_PERIOD_MS:
            self._intervals_checked_at = at
            result.off_interval = [found for scorer in self.scorers.values() for found in scorer.off_interval()]
        if self.options.state_ttl_ms and at - self._evicted_at >= EVICTION_PERIOD_MS:
            if self._evict(at - self.options.state_ttl_ms, result):
                self._evicted_at = at
            self._report_closed(result, now)
            if self.silence is not None:
                self._report_silence(self.silence, now, result)
        return result

    def live(self, max_series: int) -> list[Point]:
        """Report series that changed since they were last reported, up to ``max_series`` of each model."""
        points: list[Point] = []
        for scorer in self.scorers.values():
            rows = scorer.take_stale(max_series)
            names = [scorer.series_of[row] for row in rows.tolist()]
            batch, known = scorer.newest(rows)
            points += points_of(scorer, rows, batch, scorer.score[rows], scorer.limit[rows], names, known)
        return points

    def _follow_cold_start(self, cold: ModelScorer, ask_after: int) -> list[str]:
        """Hand series over whose own models are ready; return those that are due for a model of their own."""
        slots = ready_to_release(cold, [other for name, other in self.scorers.items() if name != COLD])
        self._detach(cold, slots)
        self._note_models(slots)
        return due_for_training(cold, ask_after)

    def _detach(self, scorer: ModelScorer, slots: Ints) -> None:
        """Have a scorer forget series; their open incidents are closed."""
        rows = scorer.rows(slots)
        for row in rows[rows != NO_ROW].tolist() if scorer.incidents.open else ():
            if row in scorer.incidents.open:
                self.closing += close_incident(scorer, row, scorer.series_of[row], self.options.job)
        scorer.remove(slots)

    def _evict(self, before: int, result: BatchResult) -> bool:
        """Forget series without an event since a time (steady clock), some at a time; False: more are left."""
        slots = self.series.expired(before, MAX_EVICTED_PER_TICK)
        result.ahead += self._forget(slots)
        return len(slots) < MAX_EVICTED_PER_TICK

    def _forget(self, slots: Ints) -> list[Ahead]:
        """Forget series, their incidents are closed; returns their events that wait to be confirmed."""
        for scorer in self.scorers.values():
            self._detach(scorer, slots)
        self.restored.drop_series(slots)
        if self.silence is not None:
            self.silence.forget(slots)
        self.covered[slots] = False
        parked = self.clock.forget(slots)
        self.series.release(slots)
        if self._was_crowded and len(slots):
            self._generation = -1  # there is room for others: models are assigned anew before the next batch
        return parked

    def reset(self, series: str) -> list[Ahead] | None:
        """Forget one series as if nothing of it had come; its incidents are closed with the next result.

        Returns:
            Its events that waited to be confirmed; None if there is no such series.
        """
        slot = self.series.slot_of.get(series)
        return None if slot is None else self._forget(np.array([slot]))
