"""The keyed broadcast process function: shards' frames on one side, model versions on the other."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

from pyflink.common import Types
from pyflink.datastream.functions import KeyedBroadcastProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from eddy.configuration import load
from eddy.flink_job.model_updates.loader import ModelLoader
from eddy.flink_job.model_updates.version_tracker import ModelVersionTracker
from eddy.flink_job.operators.learning_messages import cold_options, drift_options
from eddy.flink_job.operators.metrics import JobMetrics
from eddy.flink_job.operators.shard import Shard, ShardOptions
from eddy.flink_job.sinks.redis import RedisWriter
from eddy.flink_job.wire.flink_types import BYTES, MODELS
from eddy.flink_job.wire.frames import END, EVENTS, TICK, Frame, Records, read_frame, read_record
from eddy.models.alerting.feedback import FeedbackOptions
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.artifacts.fetch import fetch_artifact
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.threads import cores
from eddy.models.engine.time_budget import CpuBudget
from eddy.models.serving.model_set import ModelSet
from eddy.settings import Settings
from eddy.topic_reader import newest_by_key

log = logging.getLogger(__name__)

SHARD = MapStateDescriptor("shard", Types.STRING(), BYTES)


class ScoringOperator:
    """Takes frames of a shard (bytes), yields at most one frame of records (bytes) for each.

    Args:
        overrides: as in :class:`eddy.flink_job.graph.functions.ScoringFunction`.
    """

    def __init__(self, overrides: list[str]) -> None:
        self._overrides = overrides

    def open(self, runtime_context: RuntimeContext) -> None:
        """Load what the registry holds now, before the first observation."""
        self.settings: Settings = load(self._overrides).settings
        self.models = ModelSet(frozenset(k.strip() for k in self.settings.detector.type.split(",") if k.strip()))
        if self.settings.learning.cold_start:
            self.models.start_cold(cold_model(self.settings.learning.cold_start, self.settings.learning.warmup_points))
        self.shards: dict[int, Shard] = {}
        self.out = Records()
        self.report_budget = CpuBudget(self.settings.job.report_share)
        self.maintenance = Maintenance(self.settings.alerts.calendars)
        self.state = runtime_context.get_map_state(SHARD)
        self.metrics = JobMetrics(runtime_context.get_metrics_group(), self)
        self.redis = RedisWriter(self.settings.redis) if self.settings.job.redis else None
        if self.redis is not None:
            self.redis.start()
        registry = self.settings.registry
        loader = ModelLoader(lambda manifest: fetch_artifact(manifest, registry), self.models.runs)
        self.book = ModelVersionTracker(self.models, loader, self._emit_model_event, self._series_scored_by)
        self.book.start({k.decode(errors="replace"): v for k, v in newest_by_key(self.settings, "models").items()})

    def close(self) -> None:
        """Give Redis what it has not got yet."""
        if self.redis is not None:
            self.redis.close()

    def process_broadcast_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[bytes]:
        """A message of the registry topic: a version to take over, or a tombstone."""
        _, key, manifest = read_record(value)
        state = ctx.get_broadcast_state(MODELS)
        if not self.book.restored:
            self.book.restore(state)
        self.book.receive((key or b"").decode(errors="replace"), manifest, state)
        self.book.adopt()
        if records := self.out.take():
            yield records

    def process_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[bytes]:
        """A frame of one shard."""
        if not self.book.restored:
            self.book.restore(ctx.get_broadcast_state(MODELS))
        started = time.perf_counter()
        frame = read_frame(value)
        self.book.adopt(wait=frame.kind == END)
        if frame.kind == TICK:
            for problem in self.maintenance.refresh(frame.now):
                log.warning("maintenance: %s", problem)
                self._event(frame.now, {"event": "calendar-refused", "reason": str(problem)})
        shard = self.shards.get(frame.shard)
        if shard is None:
            shard = self._new_shard(frame)
        shard.handle(frame, self.state, self.out)
        self.metrics.frame(len(frame), shard.counts, time.perf_counter() - started)
        if records := self.out.take():
            yield records

    def _new_shard(self, frame: Frame) -> Shard:
        job, topics = self.settings.job, self.settings.topics
        options = ShardOptions(
            number=frame.shard,
            shards=job.shards,
            observations=topics.name("observations"),
            max_ahead_ms=job.max_ahead_ms,
            pending_per_series=job.max_pending_per_series,
            mark=self.settings.alerts.group_series > 0,
            learning=self.settings.learning,
            engine=EngineOptions(
                out_of_orderness_ms=job.out_of_orderness_ms,
                hold_timeout_ms=job.hold_timeout_ms,
                state_ttl_ms=job.state_ttl_ms,
                live_per_second=job.live_per_second if job.redis else 0,
                points_per_second=job.points_per_second if job.redis else 0,
                report_scores=job.emit_scores,
                feedback=FeedbackOptions(job.feedback_step, job.max_feedback_factor),
                alerts=self.settings.alerts,
                drift=drift_options(self.settings.learning),
                figures=self.settings.learning.model_stats,
                cold=cold_options(self.settings.learning),
                threads=job.scoring_threads or max(1, cores() // job.parallelism),
                job=job.name,
            ),
        )
        shard = Shard(options, self.models, self.redis, self.report_budget, self.maintenance)
        shard.restore(self.state)
        self.shards[frame.shard] = shard
        return shard

    def _series_scored_by(self, model: str) -> int:
        return sum(shard.series_scored_by(model) for shard in self.shards.values())

    def _emit_model_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "model-refused":
            self.metrics.refused()
        self._event(int(time.time() * 1000), event)

    def _event(self, now: int, event: dict[str, Any]) -> None:
        message = {"schema": 1, "ts": now, "job": self.settings.job.name, **event}
        key = event.get("model")
        self.out.add(EVENTS, now, key.encode() if key is not None else None, json.dumps(message).encode())
