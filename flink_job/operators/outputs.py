"""Decide what leaves a shard: dead letters, events and messages, as values that are encoded at the very end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eddy.feedback import Feedback
from eddy.flink_job.operators.admission import Batch
from eddy.flink_job.operators.dead_letters import DeadLetter, record_at
from eddy.flink_job.wire.frames import Frame
from eddy.flink_job.wire.parsing import Observations
from eddy.models.engine.batch_result import BatchResult
from eddy.models.engine.engine import Engine
from eddy.models.engine.rollout import ScoringStats


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


class ModelProblems:
    """Report models that give no scores: none of their features came, or they failed. Once per version and shard."""

    def __init__(self) -> None:
        self._reported: set[tuple[str, str, int]] = set()

    def events(self, engine: Engine, result: BatchResult) -> list[dict[str, Any]]:
        """Make the fields of an event for each model version that is new to be so."""
        found: list[dict[str, Any]] = []
        for model, series in result.featureless:
            manifest = engine.models.models[model].manifest
            if not self._is_new("features-missing", model, manifest.version):
                continue
            reason = f"series {series} brings none of the model's features {', '.join(manifest.features)}"
            found.append({"event": "features-missing", "model": model, "version": manifest.version, "reason": reason})
        for model, version, error in result.failures:
            if self._is_new("model-failed", model, version):
                found.append({"event": "model-failed", "model": model, "version": version, "reason": error})
        return found

    def _is_new(self, event: str, model: str, version: int) -> bool:
        new = (event, model, version) not in self._reported
        self._reported.add((event, model, version))
        return new
