"""One shard at work inside the process function: frames in, records out, state written before each checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from eddy.flink_job.operators.dead_letter_log import DeadLetterLog
from eddy.flink_job.operators.feedback import apply_frame
from eddy.flink_job.operators.learning_messages import MODEL_STATS_PERIOD_MS, figures, messages
from eddy.flink_job.operators.pending_events import PendingEvent, PendingEvents
from eddy.flink_job.sinks.redis import RedisWriter
from eddy.flink_job.wire.formats import job_format
from eddy.flink_job.wire.frames import (
    ALERTS,
    CHECKPOINT,
    DLQ,
    END,
    EVENTS,
    FEEDBACK,
    FIGURES,
    MARK,
    SCORES,
    SHADOW,
    TICK,
    Frame,
    Records,
)
from eddy.flink_job.wire.parsing import Observations, read_observations
from eddy.formats import BadObservation, Format
from eddy.learning_settings import LearningSettings
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.engine.engine import BatchResult, Engine, EngineOptions
from eddy.models.engine.state.checkpoint import EngineState
from eddy.models.engine.time_budget import CpuBudget
from eddy.models.serving.model_set import ModelSet


class ShardState(Protocol):
    """The part of Flink's ``MapState`` that is used."""

    def items(self) -> Any: ...
    def put(self, key: str, value: Any) -> None: ...
    def remove(self, key: str) -> None: ...


@dataclass
class Counts:
    """What happened since the last report to Flink's metrics."""

    events: int = 0
    late: int = 0
    duplicate: int = 0
    bad: int = 0
    windows: int = 0
    alerts: int = 0
    dropped: int = 0
    featureless: int = 0
    scoring_seconds: float = 0.0


@dataclass(frozen=True)
class ShardOptions:
    """What a shard needs to know of the settings."""

    number: int
    shards: int
    observations: str
    max_ahead_ms: int
    pending_per_series: int
    engine: EngineOptions
    learning: LearningSettings = field(default_factory=LearningSettings)
    mark: bool = False  # tell what comes after this operator of each checkpoint


class Shard:
    """All series of one shard: reads frames, runs the engine, holds events until a model applies."""

    def __init__(
        self,
        options: ShardOptions,
        models: ModelSet,
        redis: RedisWriter | None,
        report_budget: CpuBudget | None = None,
        maintenance: Maintenance | None = None,
        form: Format | None = None,
    ) -> None:
        self._form = form or job_format("json")
        self.options = options
        self.engine = Engine(models, options.engine, report_budget, maintenance)
        self.counts = Counts()
        self._state = EngineState(self.engine)
        self._redis = redis
        self._pending = PendingEvents(options.pending_per_series)
        self._dead_letter_log = DeadLetterLog()
        self._redis_pending = b""
        self._ended: set[int] = set()
        self._figures_at = 0
        self._told: set[tuple[str, int]] = set()  # models whose missing features have been reported

    @property
    def waiting(self) -> int:
        """Series without a model."""
        return len(self._pending)

    def series_scored_by(self, model: str) -> int:
        """How many series a model judges here."""
        scorer = self.engine.scorers.get(model)
        return sum(slot is not None for slot in scorer.slot_of) if scorer is not None else 0

    def restore(self, state: ShardState) -> None:
        """Fill a new shard from keyed state; does nothing where there is none."""
        entries = {key: bytes(value) for key, value in state.items()}
        self._pending.restore(entries.pop("pending", b""))
        self._redis_pending = entries.pop("redis", b"")
        if self._redis_pending and self._redis is not None:
            self._redis.restore(self.options.number, self._redis_pending)
        if entries:
            self._state.restore(entries)

    def handle(self, frame: Frame, state: ShardState, out: Records) -> None:
        """Everything that one frame leads to."""
        engine, options = self.engine, self.options.engine
        if engine.adopt_models() or engine.closing:
            self._deliver(self._retry(frame.now, out), frame.now, out)
        if frame.kind == FEEDBACK:
            self._take_feedback(frame, out)
            self._save(state)  # it may come after this checkpoint's CHECKPOINT frame: then nothing else would
            return
        if len(frame):
            self._observe(frame, out)
        if frame.kind == END and self._last_end(frame):
            empty = np.zeros(0, np.int64)
            last = engine.process(empty, empty, np.zeros((0, 1)), frame.now, final=True)
            last.live = engine.live(len(engine.names)) if options.live_per_second else []
            self._deliver(last, frame.now, out)
        if frame.kind == TICK:
            self._deliver(engine.tick(frame.now), frame.now, out)
            self._emit_model_stats(frame.now, out)
        if frame.kind in (CHECKPOINT, END):
            self._save(state)
            if self.options.mark:
                out.add(MARK, frame.now, None, None)

    def _last_end(self, frame: Frame) -> bool:
        self._ended.add(frame.source)
        return len(self._ended) == frame.sources

    def _observe(self, frame: Frame, out: Records) -> None:
        options, engine = self.options, self.engine
        read = read_observations(frame, self._form, engine.models.columns, options.shards, options.max_ahead_ms)
        self.counts.events += len(frame)
        for i, problem in read.bad:
            self._dead_letter(frame, i, problem, out)
        if not len(read.at):
            return
        if engine.models.pending_versions:
            engine.models.pending_versions.observe(read.names, read.codes, read.values)
            engine.adopt_models()
        slots = engine.slots(read.names)[read.codes]
        scored = engine.covered[slots]
        if not scored.all():
            self._hold_back(frame, read, np.flatnonzero(~scored))
            slots, ts, values, at = slots[scored], read.ts[scored], read.values[scored], read.at[scored]
        else:
            ts, values, at = read.ts, read.values, read.at
        result = engine.process(slots, ts, values, frame.now)
        for i in result.late.tolist():
            self._dead_letter(frame, int(at[i]), self._late(int(slots[i]), int(ts[i])), out)
        self._deliver(result, frame.now, out)

    # -- events that no model applies to yet -------------------------------------------------------------------

    def _hold_back(self, frame: Frame, read: Observations, chosen: Any) -> None:
        for i in chosen.tolist():
            at = int(read.at[i])
            place = int(frame.partitions[at]), int(frame.offsets[at])
            event = PendingEvent(int(frame.timestamps[at]), frame.value(at), *place)
            self.counts.dropped += self._pending.add(read.names[int(read.codes[i])], event)

    def _retry(self, now: int, out: Records) -> BatchResult:
        """Score what waited for a model that has now come."""
        names = [name for name in self._pending.series if self.engine.covered[self.engine.slots([name])[0]]]
        columns = self.engine.models.columns
        events, slots, times, rows = [], [], [], []
        for name, event in self._pending.take(names):
            _, ts, by_feature = self._form.read(event.value, name.encode())
            row = np.full(len(columns), np.nan)
            for feature, number in by_feature.items():
                if feature in columns:
                    row[columns[feature]] = number
            events.append((name, event))
            slots.append(int(self.engine.slots([name])[0]))
            times.append(ts)
            rows.append(row)
        values = np.array(rows).reshape(len(rows), len(columns))
        result = self.engine.process(np.array(slots, np.int64), np.array(times, np.int64), values, now)
        for i in result.late.tolist():
            name, event = events[i]
            self._write_dead_letter(self._late(slots[i], times[i]), event, name.encode(), now, out)
        return result

    # -- results -----------------------------------------------------------------------------------------------

    def _deliver(self, result: BatchResult, now: int, out: Records) -> None:
        counts = self.counts
        counts.late += len(result.late)
        counts.duplicate += result.duplicates
        counts.windows += result.windows
        counts.scoring_seconds += result.scoring_seconds
        counts.alerts += len(result.alerts)
        for model, name in result.featureless:
            self._emit_once(model, name, now, out)
        for alert in result.alerts:
            out.add(ALERTS, now, alert.series.encode(), alert.to_json())
        for alert in result.recorded:
            out.add(SHADOW, now, alert.series.encode(), alert.to_json())
        for series, value in self._score_messages(result):
            out.add(SCORES, now, series, value)
        if result.drifts or result.retrain_requests or result.cold:
            job, learning = self.options.engine.job, self.options.learning
            for role, key, value in messages(result, self.engine.models, now, job, learning):
                out.add(role, now, key, value)
        if self._redis is not None and (result.alerts or result.live or result.points):
            self._redis.put(self.options.number, result.alerts, result.live, result.points)

    def _take_feedback(self, frame: Frame, out: Records) -> None:
        for event, feedback in apply_frame(self.engine, frame):
            self._emit(event, frame.now, out)
            if feedback is not None and self._redis is not None:
                self._redis.put_feedback(self.options.number, feedback)

    def _emit_model_stats(self, now: int, out: Records) -> None:
        if not self.options.engine.figures or now - self._figures_at < MODEL_STATS_PERIOD_MS:
            return
        self._figures_at = now
        for model, version, stats in self.engine.take_scoring_stats():
            out.add(FIGURES, now, model.encode(), figures(model, version, stats, now, self.options.number))

    def _emit(self, event: dict[str, Any], now: int, out: Records) -> None:
        message = {"schema": 1, "ts": now, "job": self.options.engine.job, **event}
        out.add(EVENTS, now, str(event["model"]).encode(), json.dumps(message).encode())

    def _emit_once(self, model: str, series: str, now: int, out: Records) -> None:
        """A model whose features nobody sends would otherwise be silent for ever without a word."""
        manifest = self.engine.models.models[model].manifest
        if (model, manifest.version) in self._told:
            return
        self._told.add((model, manifest.version))
        self.counts.featureless += 1
        reason = f"series {series} brings none of the model's features {', '.join(manifest.features)}"
        event = {"event": "features-missing", "model": model, "version": manifest.version, "reason": reason}
        self._emit(event, now, out)

    def _score_messages(self, result: BatchResult) -> Iterator[tuple[bytes, bytes]]:
        for model, slots, ts, scores, limits in result.scores:
            version = self.engine.models.models[model].manifest.version
            for slot, t, score, limit in zip(
                slots.tolist(), ts.tolist(), scores.tolist(), limits.tolist(), strict=True
            ):
                series = str(self.engine.names[slot])
                message = {
                    "schema": 1,
                    "series": series,
                    "ts": t,
                    "score": score if math.isfinite(score) else None,
                    "threshold": limit if math.isfinite(limit) else None,  # JSON has no infinity
                    "model": model,
                    "version": version,
                }
                yield series.encode(), json.dumps(message).encode()

    def _late(self, slot: int, ts: int) -> BadObservation:
        behind = int(self.engine.clock.last[slot]) - ts
        detail = f"found ts {ts}, {behind} ms before the series' last one; see job.out_of_orderness_ms"
        return BadObservation("late", detail)

    def _dead_letter(self, frame: Frame, i: int, problem: BadObservation, out: Records) -> None:
        if problem.reason != "late":
            self.counts.bad += 1
        place = int(frame.partitions[i]), int(frame.offsets[i])
        event = PendingEvent(int(frame.timestamps[i]), frame.value(i), *place)
        key = None if frame.keyless[i] else frame.keys[int(frame.codes[i])]
        self._write_dead_letter(problem, event, key, frame.now, out)

    def _write_dead_letter(
        self, problem: BadObservation, event: PendingEvent, key: bytes | None, now: int, out: Records
    ) -> None:
        headers = {
            "reason": problem.reason,
            "detail": problem.detail,
            "topic": self.options.observations,
            "partition": str(event.partition),
            "offset": str(event.offset),
            "timestamp": str(event.ts),
        }
        out.add(DLQ, now, key, event.value, headers)
        self._dead_letter_log.note(
            now,
            reason=problem.reason,
            detail=problem.detail,
            key=key,
            topic=self.options.observations,
            partition=event.partition,
            offset=event.offset,
        )

    # -- state -------------------------------------------------------------------------------------------------

    def _save(self, state: ShardState) -> None:
        for key, value in self._state.changes().items():
            _put(state, key, value)
        if self._pending.changed:
            _put(state, "pending", self._pending.to_bytes() or None)
        waiting = self._redis.pending(self.options.number) if self._redis is not None else b""
        if waiting != self._redis_pending:
            self._redis_pending = waiting
            _put(state, "redis", waiting or None)


def _put(state: ShardState, key: str, value: bytes | None) -> None:
    if value is None:
        state.remove(key)
    else:
        state.put(key, value)
