"""Decide what leaves a shard: dead letters, events and messages, as values that are encoded at the very end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from eddy.feedback import Feedback
from eddy.flink_job.operators.admission import Batch
from eddy.flink_job.operators.dead_letters import DeadLetter, record_at
from eddy.flink_job.operators.parked_records import Parked, ParkedRecords
from eddy.flink_job.wire.frames import Frame
from eddy.flink_job.wire.parsing import Observations
from eddy.models.engine.batch_result import BatchResult
from eddy.models.engine.engine import Engine
from eddy.models.engine.rollout import ScoringStats
from eddy.models.windowing.sampling import mismatch


@dataclass
class Counts:
    """Count what happened since the last report to Flink's metrics."""

    events: int = 0
    late: int = 0
    duplicate: int = 0
    bad: int = 0
    windows: int = 0
    alerts: int = 0
    dropped: int = 0
    featureless: int = 0
    limited: int = 0
    off_interval: int = 0
    scoring_seconds: float = 0.0

    def add(self, result: BatchResult) -> None:
        """Add what a batch led to."""
        self.late += len(result.late)
        self.duplicate += result.duplicates
        self.windows += result.windows
        self.scoring_seconds += result.scoring_seconds
        self.alerts += len(result.alerts)


@dataclass
class Outputs:
    """Everything that one frame leads to.

    Attributes:
        dead_letters: records that cannot be used.
        results: what the engine found, batch by batch.
        events: fields of messages for the events topic.
        feedback: messages of people that sinks get.
        stats: (model, version, counts) since the last report.
    """

    dead_letters: list[DeadLetter] = field(default_factory=list)
    results: list[BatchResult] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    stats: list[tuple[str, int, ScoringStats]] = field(default_factory=list)


def unreadable(frame: Frame, read: Observations) -> list[DeadLetter]:
    """Make dead letters of the records of a frame that are no usable observations."""
    return [DeadLetter(record_at(frame, i), problem.reason, problem.detail) for i, problem in read.bad]


def late(engine: Engine, batch: Batch, result: BatchResult) -> list[DeadLetter]:
    """Make dead letters of the observations of a batch that came after their time had been passed."""
    found = []
    for i in result.late.tolist():
        ts = int(batch.ts[i])
        behind = int(engine.clock.last[int(batch.slots[i])]) - ts
        detail = f"found ts {ts}, {behind} ms before the series' last one; see job.out_of_orderness_ms"
        found.append(DeadLetter(batch.record(i), "late", detail))
    return found


def far_ahead(batch: Batch, result: BatchResult, parked: ParkedRecords) -> list[DeadLetter]:
    """Make dead letters of observations that lay far ahead of all others; keep the records of those that may yet.

    Args:
        batch: whose observations were scored. result: what it led to.
        parked: records of observations that wait to be confirmed.
    """
    found = []
    for one in result.ahead:
        kept = Parked(batch.record(one.place), {}) if one.place >= 0 else parked.take(one.slot)
        detail = f"field 'ts': found {one.ts}, {one.ts - one.last} ms after the other events of its series"
        found.append(DeadLetter(kept.record, "future", f"{detail}, and none confirmed it", kept.headers))
    for i in result.parked.tolist():
        parked.keep(int(batch.slots[i]), batch.record(i))
    return found


def taken_back(result: BatchResult) -> Iterator[dict[str, Any]]:
    """Make the fields of an event for each series whose clock was wrong."""
    for series, last, ts in result.taken_back:
        reason = f"its time had come to {last}, {last - ts} ms ahead of what comes now; it begins anew at {ts}"
        yield {"event": "clock-taken-back", "model": "", "series": series, "reason": reason}


class ModelProblems:
    """Report models that give no scores, and why. Once per version and shard, or it would be silent for ever."""

    def __init__(self) -> None:
        self._reported: set[tuple[str, str, int]] = set()

    def events(self, engine: Engine, result: BatchResult) -> list[dict[str, Any]]:
        """Make the fields of an event for each model version of which it is new."""
        found: list[dict[str, Any]] = []
        for model, series in result.featureless:
            features = ", ".join(engine.models.models[model].manifest.features)
            reason = f"series {series} brings none of the model's features {features}"
            found += self._new("features-missing", model, engine.models.models[model].manifest.version, reason)
        for model, series, step_ms in result.off_interval:
            reason = mismatch(series, step_ms, engine.models.models[model].detector.spec)
            found += self._new("interval-mismatch", model, engine.models.models[model].manifest.version, reason)
        for model, version, error in result.failures:
            found += self._new("model-failed", model, version, error)
        return found

    def _new(self, event: str, model: str, version: int, reason: str) -> list[dict[str, Any]]:
        if (event, model, version) in self._reported:
            return []
        self._reported.add((event, model, version))
        return [{"event": event, "model": model, "version": version, "reason": reason}]
