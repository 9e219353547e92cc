"""Line up the steps of a frame's way through one shard; nothing here needs Flink.

::

    read ──▶ admit ──▶ score ──▶ decide ──▶ encode
    parsing  admission engine    outputs    encoding
      │        │                   ▲
      │        └▶ pending events   │ dead letters of all steps
      └────────────────────────────┘

State is written before each checkpoint: where all source subtasks have said that a barrier follows (CHECKPOINT; nothing
of theirs can come between the last of these frames and the barrier), at the end of a bounded source (END), and after
feedback, whose frame may come behind this checkpoint's CHECKPOINT frames.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from eddy.flink_job.operators import admission, outputs
from eddy.flink_job.operators.admission import Batch
from eddy.flink_job.operators.dead_letters import DeadLetterLog
from eddy.flink_job.operators.encoding import encode
from eddy.flink_job.operators.feedback import apply_frame
from eddy.flink_job.operators.interval_stage import STATE as INTERVALS
from eddy.flink_job.operators.interval_stage import IntervalStage
from eddy.flink_job.operators.learning_messages import MODEL_STATS_PERIOD_MS
from eddy.flink_job.operators.limit_events import LimitEvents
from eddy.flink_job.operators.outputs import Counts, ModelProblems, Outputs
from eddy.flink_job.operators.parked_records import ParkedRecords
from eddy.flink_job.operators.pending_events import MAX_BYTES, MAX_EVENTS, PendingEvents
from eddy.flink_job.operators.shard_options import ShardOptions
from eddy.flink_job.operators.source_silence import SourceSilence
from eddy.flink_job.operators.steady_clock import SteadyClock
from eddy.flink_job.sinks.fan_out import FanOut
from eddy.flink_job.wire.formats import job_format
from eddy.flink_job.wire.frames import CHECKPOINT, END, FEEDBACK, MARK, TICK, Frame, Records
from eddy.flink_job.wire.parsing import read_observations
from eddy.formats import Format
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.engine.batch_result import BatchResult
from eddy.models.engine.engine import EVICTION_PERIOD_MS, Engine
from eddy.models.engine.state.checkpoint import EngineState
from eddy.models.engine.time_budget import CpuBudget
from eddy.models.intervals.aggregator import MAX_OPEN
from eddy.models.serving.model_set import ModelSet
from eddy.models.serving.pending_versions import PendingVersions


class ShardState(Protocol):
    """The part of Flink's ``MapState`` that is used."""

    def items(self) -> Any: ...
    def put(self, key: str, value: Any) -> None: ...
    def remove(self, key: str) -> None: ...


class Shard:
    """All series of one shard: takes frames, adds records, keeps state.

    Args:
        options: of this shard.
        models: that the engine follows.
        sinks: where alerts and live state go besides Kafka.
        report_budget: of CPU for live state, shared by the shards of a worker.
        maintenance: calendars, shared likewise.
        form: format of the observations.
        pending_versions: model versions whose features have to be seen first.
        clock: how time passes.
        intervals: makes observations of events; None: every event is an observation.
    """

    def __init__(
        self,
        options: ShardOptions,
        models: ModelSet,
        sinks: FanOut | None = None,
        report_budget: CpuBudget | None = None,
        maintenance: Maintenance | None = None,
        form: Format | None = None,
        pending_versions: PendingVersions | None = None,
        clock: SteadyClock | None = None,
        intervals: IntervalStage | None = None,
    ) -> None:
        self.options = options
        self.engine = Engine(models, options.engine, report_budget, maintenance)
        self.counts = Counts()
        self.pending = PendingEvents(options.pending_per_series)
        self.parked = ParkedRecords()
        self._intervals = intervals
        self._pending_versions = pending_versions
        self._state = EngineState(self.engine, pending_versions)
        silence = self.engine.silence
        self._source_silence = SourceSilence(silence, options) if silence is not None else None
        self._sinks = sinks or FanOut()
        self._form = form or job_format("json")
        self._dead_letter_log = DeadLetterLog(options.observations)
        self._problems = ModelProblems()
        self._limits = LimitEvents()
        self._clock = clock or SteadyClock()
        self._steady = 0  # time of the frame, by that clock
        self._ended: set[int] = set()  # source subtasks
        self._checkpoint = 0  # the newest one that a barrier follows for
        self._reached: set[int] = set()  # source subtasks that have said so of it
        self._stats_at = self._forgot_at = 0
        self._unused: list[str] = []  # entries of keyed state that are to go
        self._restored = False  # until the first frame after it: pending events may have their model since

    def series_scored_by(self, model: str) -> int:
        """Count the series that a model scores here."""
        scorer = self.engine.scorers.get(model)
        return sum(slot is not None for slot in scorer.slot_of) if scorer is not None else 0

    def restore(self, state: ShardState) -> None:
        """Fill a new shard from keyed state; does nothing where there is none."""
        entries = {key: bytes(value) for key, value in state.items()}
        self.pending.restore(entries.pop("pending", b""))
        self.parked.restore(entries.pop("parked", b""))
        self._sinks.take_entries(self.options.number, entries)
        if self._intervals is not None:
            kept = {key: entries.pop(key) for key in list(entries) if key.startswith(INTERVALS)}
            self._unused = self._intervals.restore(kept)
        if entries:
            self._state.restore(entries)
        admission.note_pending(self.engine, self.pending)
        self._restored = True

    def handle(self, frame: Frame, state: ShardState, out: Records) -> None:
        """Take one frame all its way: add the records that it leads to, and write state where a checkpoint may follow.

        What a checkpoint covers is encoded before state is written, and the mark for the operators behind comes last.
        """
        found, now = Outputs(), frame.now
        self._steady = self._clock.at(now)
        if self._source_silence is not None:
            self._source_silence.take(frame)
        if self.engine.adopt_models() or self.engine.closing or self._restored:
            self._restored = False
            self._score(admission.admit_pending(self.engine, self.pending, self._form), now, found)
        if frame.kind == FEEDBACK:
            self._take_feedback(frame, found)
        elif self._intervals is not None:
            self._aggregate(self._intervals, frame, found)
        elif len(frame):
            self.counts.events += len(frame)
            self._observe(frame, found)
        last = frame.kind == END and self._is_last_end(frame)
        if self._intervals is not None and frame.kind != FEEDBACK:
            for closed in self._intervals.close(frame, last):
                self._observe(closed, found)
        if last:
            self._score(admission.nothing(final=True), now, found)
            found.results[-1].live = self._all_live()
        if frame.kind == TICK:
            self._tick(now, found)
        self._hand_on(found, now, out)
        if frame.kind in (END, FEEDBACK) or (frame.kind == CHECKPOINT and self._is_last_before_barrier(frame)):
            self._save(state)
            if self.options.mark:
                out.add(MARK, now, None, None)

    def _aggregate(self, intervals: IntervalStage, frame: Frame, found: Outputs) -> None:
        """Take the events of a frame; what is left of it are observations."""
        self.counts.events += len(frame)
        rest, late = intervals.take(frame)
        self.counts.late += len(late)
        found.dead_letters += late
        if rest is not None and len(rest):
            self._observe(rest, found)
        if forced := intervals.take_forced():
            reason = f"more than {MAX_OPEN} intervals were open: {forced} were closed before their time"
            advice = "the times of partitions are too far apart; send events in the order of their times"
            self._limited("aggregate", forced, f"{reason}; {advice}", found)

    def _observe(self, frame: Frame, found: Outputs) -> None:
        options = self.options
        columns = self.engine.models.columns
        read = read_observations(frame, self._form, columns, options.shards, options.max_ahead_ms)
        found.dead_letters += outputs.unreadable(frame, read)
        read, left_out = admission.within_max_series(self.engine, options.max_series, frame, read)
        found.dead_letters += left_out
        if left_out:
            self._limited("job.max_series", len(left_out), left_out[0].detail, found)
        if len(read.at):
            batch = admission.admit(self.engine, self.pending, self._pending_versions, frame, read, self._steady)
            self._score(batch, frame.now, found)
            if full := self.pending.take_overflow():
                reason = f"{full} of the events that wait for a model were dropped: a shard keeps {MAX_EVENTS} of them"
                advice = f"{MAX_BYTES} bytes; publish a model for their series"
                self._limited("pending events", full, f"{reason}, {advice}", found)

    def _limited(self, limit: str, count: int, reason: str, found: Outputs, **fields: str) -> None:
        self.counts.limited += count
        found.events += self._limits.reached(limit, reason, self._steady, **fields)

    def _score(self, batch: Batch, now: int, found: Outputs) -> None:
        engine = self.engine
        self.counts.dropped += batch.dropped
        result = engine.process(batch.slots, batch.ts, batch.values, now, batch.final, self._steady, batch.origins)
        found.dead_letters += batch.dead_letters + outputs.late(engine, batch, result)
        self._note(batch, result, found)

    def _note(self, batch: Batch, result: BatchResult, found: Outputs) -> None:
        found.results.append(result)
        found.dead_letters += outputs.far_ahead(batch, result, self.parked)
        found.events += outputs.taken_back(result)
        if len(self.parked) > self.engine.clock.parked:
            self.parked.keep_only(self.engine.clock.parked_slots())

    def _tick(self, now: int, found: Outputs) -> None:
        engine, ttl = self.engine, self.options.engine.state_ttl_ms
        self._note(admission.nothing(), engine.tick(now, self._steady), found)
        if self.options.engine.figures and self._steady - self._stats_at >= MODEL_STATS_PERIOD_MS:
            self._stats_at = self._steady
            found.stats += engine.take_scoring_stats()
        if ttl and self._steady - self._forgot_at >= EVICTION_PERIOD_MS:  # as often as the engine forgets series
            self._forgot_at = self._steady
            self.counts.dropped += self.pending.keep_only(engine.slot_of)

    def _take_feedback(self, frame: Frame, found: Outputs) -> None:
        reset, limit = partial(self._reset, found), self.options.max_series
        for event, feedback in apply_frame(self.engine, frame, self._steady, limit, reset):
            found.events.append(event)
            if feedback is not None and feedback not in found.feedback[-1:]:  # one for each model that it changed
                found.feedback.append(feedback)

        if self.engine.closing:
            self._score(admission.nothing(), frame.now, found)

    def _reset(self, found: Outputs, series: str) -> bool:
        """Forget a series: whatever was kept of it, and the events that wait for a model; False if there was none."""
        parked, pending = self.engine.reset(series), len(list(self.pending.take([series])))
        self.counts.dropped += pending
        self._note(admission.nothing(), BatchResult(ahead=parked or []), found)
        return parked is not None or pending > 0

    def _is_last_end(self, frame: Frame) -> bool:
        self._ended.add(frame.source)
        return len(self._ended) == frame.sources

    def _is_last_before_barrier(self, frame: Frame) -> bool:
        """Tell whether all sources have come to this checkpoint; one that was given up may lack some for ever."""
        if not frame.checkpoint:
            return True
        if frame.checkpoint != self._checkpoint:
            self._checkpoint, self._reached = frame.checkpoint, set()
        self._reached.add(frame.source)
        return len(self._reached | self._ended) >= frame.sources

    def _all_live(self) -> list[Any]:
        return self.engine.live(len(self.engine.names)) if self.options.engine.live_per_second else []

    def _hand_on(self, found: Outputs, now: int, out: Records) -> None:
        for result in found.results:
            self.counts.add(result)
            found.events += self._problems.events(self.engine, result)
            if early := result.released_early:
                reason = f"the reorder buffer of a shard released {early} events before their time"
                advice = "raise job.max_held_events, or lower job.out_of_orderness_ms"
                self._limited("job.max_held_events", early, f"{reason}; {advice}", found)
            for model, series in result.crowded:
                reason = f"model {model} has no room for {series} more series in a shard: they are not scored by it"
                advice = "raise job.max_model_bytes, or take a shorter window"
                self._limited("job.max_model_bytes", series, f"{reason}; {advice}", found, model=model)
            if self._intervals is not None:
                result.alerts = [
                    replace(one, interval=self._intervals.interval(one.series, one.end)) for one in result.alerts
                ]
        for dead_letter in found.dead_letters:
            self.counts.bad += dead_letter.reason != "late"
            self._dead_letter_log.note(self._steady, dead_letter)
        self.counts.featureless += sum(event["event"] == "features-missing" for event in found.events)
        self.counts.off_interval += sum(event["event"] == "interval-mismatch" for event in found.events)
        encode(found, self.engine, self.options, now, out)
        for result in found.results:
            self._sinks.put(self.options.number, result.alerts, result.live, result.points)
        self._sinks.put(self.options.number, feedback=found.feedback)

    def _save(self, state: ShardState) -> None:
        changes = self._state.changes()
        if self.pending.changed:
            changes["pending"] = self.pending.to_bytes() or None
        if self.parked.changed:
            changes["parked"] = self.parked.to_bytes() or None
        if self._intervals is not None:
            changes |= {**dict.fromkeys(self._unused), **self._intervals.changes()}
            self._unused = []
        for key, value in {**changes, **self._sinks.changes(self.options.number)}.items():
            if value is None:
                state.remove(key)
            else:
                state.put(key, value)
