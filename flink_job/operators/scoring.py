"""Score: the keyed broadcast process function takes shards' frames on one side, model versions on the other."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from pyflink.common import Types
from pyflink.datastream.functions import KeyedBroadcastProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from eddy.configuration import load
from eddy.errors import ModelUnavailable
from eddy.flink_job.model_updates.loader import ModelLoader
from eddy.flink_job.model_updates.version_tracker import ModelVersionTracker
from eddy.flink_job.operators.event_messages import event_message
from eddy.flink_job.operators.interval_stage import IntervalPlan, IntervalStage
from eddy.flink_job.operators.kept_settings import check_shards
from eddy.flink_job.operators.metrics import JobMetrics
from eddy.flink_job.operators.shard import Shard
from eddy.flink_job.operators.shard_options import shard_options
from eddy.flink_job.sinks.fan_out import FanOut
from eddy.flink_job.wire.flink_types import BYTES, MODELS
from eddy.flink_job.wire.formats import job_format
from eddy.flink_job.wire.frames import END, EVENTS, FEEDBACK, MESSAGE, ROLE_AT, TICK, Records, read_frame, read_record
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.artifacts import signing
from eddy.models.artifacts.fetch import fetch_artifact
from eddy.models.engine.cold_start import cold_model
from eddy.models.engine.time_budget import CpuBudget
from eddy.models.serving.model_set import ModelSet
from eddy.models.serving.trial import TrialProcess
from eddy.settings import Settings
from eddy.texts import escaped
from eddy.topic_reader import newest_by_key

log = logging.getLogger(__name__)

SHARD = MapStateDescriptor("shard", Types.STRING(), BYTES)


class ScoringOperator:
    """Take frames of a shard (bytes), yield at most one frame of records (bytes) for each.

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
            learning, detector = self.settings.learning, self.settings.detector
            cold = cold_model(
                learning.cold_start, learning.warmup_points, detector.false_alarms_per_week, detector.value_type
            )
            self.models.start_cold(cold)
        self.shards: dict[int, Shard] = {}
        self.intervals = IntervalPlan(self.settings)
        self.out = Records()
        self.report_budget = CpuBudget(self.settings.job.report_share)
        self.maintenance = Maintenance(self.settings.alerts.calendars)
        self.state = runtime_context.get_map_state(SHARD)
        self.format = job_format(self.settings.job.format, self.settings.job.event_times)
        self.sinks = FanOut.of(self.settings)
        self.metrics = JobMetrics(runtime_context.get_metrics_group(), self)
        registry = self.settings.registry
        self.trials = TrialProcess()
        with contextlib.suppress(ModelUnavailable):  # it is told when there is a model to try
            self.trials.start()  # while this worker reads the registry
        loader = ModelLoader(lambda manifest: fetch_artifact(manifest, registry), self.models.runs, self.trials.check)
        key = registry.signing_key
        verify = (lambda manifest: signing.check(manifest, key.get_secret_value())) if key is not None else None
        self.versions = ModelVersionTracker(
            self.models,
            loader,
            self._emit_model_event,
            self._series_scored_by,
            verify,
            max_models=self.settings.job.max_models,
        )
        self.versions.start({k.decode(errors="replace"): v for k, v in newest_by_key(self.settings, "models").items()})

    def close(self) -> None:
        """Have the sinks deliver what waits; end the process in which models are tried."""
        self.sinks.close()
        self.trials.close()

    def process_broadcast_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[bytes]:
        """Take a message of the registry topic: a version to take over, or a tombstone."""
        _, key, manifest = read_record(value)
        name = (key or b"").decode(errors="replace")
        if value[ROLE_AT] != MESSAGE:
            self._emit_model_event({"event": "model-refused", "model": name, "reason": (manifest or b"").decode()})
            yield self.out.take()
            return
        state = ctx.get_broadcast_state(MODELS)
        if not self.versions.restored:
            self.versions.restore(state)
        self.versions.receive(name, manifest, state)
        self.versions.adopt()
        if records := self.out.take():
            yield records

    def process_element(self, value: bytes, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[bytes]:
        """Take a frame of one shard."""
        if not self.versions.restored:
            self.versions.restore(ctx.get_broadcast_state(MODELS))
        started = time.perf_counter()
        frame = read_frame(value)
        self.versions.adopt(wait=frame.kind == END)
        if frame.kind == TICK:
            for problem in self.maintenance.refresh(frame.now):
                log.warning("maintenance: %s", escaped(problem))
                self._event(frame.now, {"event": "calendar-refused", "reason": str(problem)})
        shard = self.shards.get(frame.shard)
        if shard is None:
            shard = self._new_shard(frame.shard)
        try:
            shard.handle(frame, self.state, self.out)
        except Exception:
            kind = "feedback" if frame.kind == FEEDBACK else "observations"
            log.exception(
                "topic %s, partition[offsets] %s: the job fails at one of these; 'eddy job skip' leaves records out",
                self.settings.topics.name(kind),
                frame.places(),
            )
            raise
        self.metrics.frame(len(frame), shard.counts, time.perf_counter() - started)
        if records := self.out.take():
            yield records

    def _new_shard(self, number: int) -> Shard:
        options = shard_options(self.settings, number)
        pending_versions = self.versions.pending_versions
        shard = Shard(
            options, self.models, self.sinks, self.report_budget, self.maintenance, self.format, pending_versions,
            intervals=IntervalStage(self.intervals, number) if self.intervals.rules else None,
        )  # fmt: skip
        shard.restore(self.state)
        check_shards(shard.engine.names, number, options.shards)
        self.shards[number] = shard
        return shard

    def _series_scored_by(self, model: str) -> int:
        return sum(shard.series_scored_by(model) for shard in self.shards.values())

    def _emit_model_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "model-refused":
            self.metrics.refused()
        self._event(int(time.time() * 1000), event)

    def _event(self, now: int, event: dict[str, Any]) -> None:
        self.out.add(EVENTS, now, *event_message(self.settings.job.name, now, event))
