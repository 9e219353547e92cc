"""Read: records of input sources that the JVM leaves to Python become frames for the shards, or dead letters.

The JVM reads plain JSON. Here all other formats are read, and what it found to be no observation, for the reason: this
is the one place that knows what is wrong with a record.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator

from eddy.configuration import load
from eddy.errors import StackError
from eddy.flink_job.operators.dead_letters import MAX_BYTES, DeadLetter, DeadLetterLog
from eddy.flink_job.operators.dead_letters import Record as Original
from eddy.flink_job.operators.event_messages import event_message
from eddy.flink_job.operators.metrics import SourceMetrics
from eddy.flink_job.operators.source_clocks import SourceClocks, idle_ms, wants_clocks
from eddy.flink_job.operators.source_counts import EVERY_MS, SourceFigures
from eddy.flink_job.wire.fast_sources import is_fast
from eddy.flink_job.wire.frames import CHECKPOINT, DATA, DLQ, END, EVENTS, SOURCES, Clock, FrameWriter, Records
from eddy.flink_job.wire.parsing import shard_of
from eddy.flink_job.wire.raw_events import raw_bytes
from eddy.flink_job.wire.unread import UnreadFrame, read_unread
from eddy.inputs.clusters import clusters, number_of
from eddy.inputs.mapping import MappingResult, Observation
from eddy.inputs.record import RECORD_HEADERS, Record, headers_text

log = logging.getLogger(__name__)

FRAME, RECORDS = b"\x00", b"\x01"  # what a result begins with; jvm/…/Pipeline.java tells them apart
_AGAIN_SECONDS = 1.0
_CLOCKS_EVERY_MS = 1000  # to shards without data, too
_MAX_SERIES = 200_000  # told apart, for the figures


class ReadingOperator:
    """Take frames of unread records of one cluster, yield frames for shards and records for topics.

    Args:
        overrides: as in :class:`eddy.flink_job.graph.functions.ScoringFunction`.
        cluster: number of the cluster, as :func:`eddy.inputs.clusters.clusters` gives it.
        subtask, subtasks: of this operator.
        metrics: where its counts go besides their topic; None in a test.
    """

    def __init__(
        self, overrides: list[str], cluster: int, subtask: int, subtasks: int, metrics: SourceMetrics | None = None
    ) -> None:
        settings = load(overrides).settings
        every = clusters(settings)
        self._job = settings.job.name
        self._shards = settings.job.shards
        self._cluster = every[cluster]
        self._sources = self._cluster.sources
        self._mappings = every[cluster].mappings(settings)
        self._by_topic: dict[str, str | None] = {}
        self._subtask = subtask
        self._own = (2 * cluster + 1) * subtasks + subtask  # as a source of frames: each cluster has two a subtask
        self._all = 2 * len(every) * subtasks
        self._writers: dict[int, FrameWriter] = {}
        registry = settings.schema_registry
        self._whole = {name for name, one in self._mappings.items() if not is_fast(one.source, registry)}
        idle = {number_of(name): idle_ms(self._sources[name]) for name in self._whole}
        self._clocks = SourceClocks(settings.job.max_ahead_ms, idle) if wants_clocks(settings) else None
        self._sent: tuple[Clock, ...] | None = None if self._clocks is None else ()  # to all shards, and when
        self._sent_at = 0
        self._figures: dict[str, SourceFigures] = {}
        self._reported = 0
        self._records = Records()
        self._metrics = metrics
        self._counted = (0, 0, 0)
        self._logs = {name: DeadLetterLog(name) for name in self._sources}
        self._patience = settings.schema_registry.patience_seconds

    def process(self, data: bytes) -> Iterator[bytes]:
        """Take one frame of the JVM."""
        frame = read_unread(data)
        for name, counts in frame.counts.items():
            figures = self._of(name, frame.now)
            figures.observations += counts.observations
            figures.skipped += counts.skipped
            figures.newest = max(figures.newest, counts.newest)
            figures.series_jvm = counts.series
        unread = Counter(self._source_of(record.topic) for record, _ in frame.records)
        for name, counts in frame.counts.items():  # those that the JVM has read in full
            self._note(name, counts.records - unread[name], 0, frame.now)
        for record, read in frame.records:
            source = self._source_of(record.topic)
            if source is not None:
                self._note(source, 1, self._take(source, record, read, frame.now), frame.now)
        self._count()
        kind = frame.kind if frame.kind in {CHECKPOINT, END} else DATA
        yield from self._frames(frame, kind)
        if frame.now - self._reported >= EVERY_MS or kind == END:
            self._report(frame.now)
        if records := self._records.take():
            yield RECORDS + records

    def _count(self) -> None:
        if self._metrics is None:
            return
        every = self._figures.values()
        now = (
            sum(one.records for one in every),
            sum(one.skipped for one in every),
            sum(one.dead.total() for one in every),
        )
        self._metrics.add(*(after - before for after, before in zip(now, self._counted, strict=True)))
        self._counted = now

    def _of(self, name: str, now: int) -> SourceFigures:
        if name not in self._figures:
            self._figures[name] = SourceFigures(since=now)
        return self._figures[name]

    def _source_of(self, topic: str) -> str | None:
        if topic not in self._by_topic:
            self._by_topic[topic] = self._cluster.source_of(topic)
        return self._by_topic[topic]

    def _take(self, name: str, record: Record, read: int | None, now: int) -> bool:
        """Read a record; return whether something in it is dead."""
        figures = self._of(name, now)
        result = self._read(name, record)
        if self._clocks is not None and name in self._whole:
            self._clocks.read(number_of(name), record, result.observations, now)
        if read is None:
            figures.skipped += result.skipped
        if read is None or len(result.observations) != read:
            if read is not None:
                log.error("%s: the JVM read %d observations, Python %d", record.place, read, len(result.observations))
            figures.observations += len(result.observations) - (read or 0)
            for one in result.observations:
                self._add(name, record, one, figures)
        for problem in result.refusals:
            figures.dead[problem.reason] += 1
        if not result.refusals:
            return False
        problem = result.refusals[0]
        reasons = len(result.refusals)
        detail = problem.detail if reasons == 1 else f"{problem.detail} (and {reasons - 1} more of this record)"
        original = Original(record.key, record.value or b"", record.timestamp, record.partition, record.offset)
        dead_letter = DeadLetter(original, problem.reason, detail, _own_headers(record))
        self._logs[name].note(now, dead_letter)
        if figures.muted:
            figures.unwritten += 1
        else:
            self._records.add(DLQ, now, *dead_letter.kept, dead_letter.headers(record.topic))
        return True

    def _read(self, name: str, record: Record) -> MappingResult:
        """Read a record, as soon as what is needed for it answers; meanwhile all behind it wait.

        Raises:
            StackError: it has not answered for ``schema_registry.patience_seconds``.
        """
        since = time.monotonic()
        waits = False
        while True:
            try:
                return self._mappings[name].read(record)
            except StackError as error:
                if time.monotonic() - since > self._patience:
                    raise
                if not waits:
                    log.warning("%s: %s; records wait", name, error)
                waits = True
                time.sleep(_AGAIN_SECONDS)

    def _add(self, name: str, record: Record, one: Observation, figures: SourceFigures) -> None:
        series = one.series.encode()
        if len(figures.series) < _MAX_SERIES:
            figures.series.add(series)
        shard = shard_of(one.series, self._shards)
        writer = self._writers.setdefault(shard, FrameWriter())
        aggregated = self._mappings[name].columns is not None
        writer.add(record, series, raw_bytes(one.ts, one.values.values()) if aggregated else one.to_json())

    def _frames(self, frame: UnreadFrame, kind: int) -> Iterator[bytes]:
        if self._clocks is not None and kind == END:
            self._clocks.end()
        clocks = None if self._clocks is None else self._clocks.at(frame.now)
        late = clocks != self._sent and frame.now - self._sent_at >= _CLOCKS_EVERY_MS
        to_all = kind != DATA or late
        if to_all:
            self._sent, self._sent_at = clocks, frame.now
        for shard in range(self._shards) if to_all else sorted(self._writers):
            writer = self._writers.pop(shard, None) or FrameWriter()
            yield FRAME + writer.take(kind, shard, frame.now, self._own, self._all, frame.checkpoint, clocks)

    def _note(self, name: str, records: int, dead: int, now: int) -> None:
        changed = self._of(name, now).read(records, dead)
        if changed is None:
            return
        figures = self._of(name, now)
        most = figures.dead.most_common(1)[0][0] if figures.dead else ""
        reason = (
            f"more than half of 10000 records in a row are dead, most of them {most}: they are counted, no dead "
            "letters are written; see 'eddy input check'"
            if changed
            else "fewer than half of 10000 records in a row are dead: dead letters are written again"
        )
        event = {"event": "source-mostly-dead" if changed else "source-readable", "source": name, "reason": reason}
        log.warning("%s: %s", name, reason)
        self._records.add(EVENTS, now, *event_message(self._job, now, event))

    def _report(self, now: int) -> None:
        self._reported = now
        for name, figures in self._figures.items():
            if figures.changed:
                source = self._sources[name]
                topics = list(source.topics) or [source.pattern]
                value = figures.message(name, topics, self._job, self._subtask, now)
                self._records.add(SOURCES, now, f"{name}/{self._subtask}".encode(), value)


def _own_headers(record: Record) -> dict[str, str]:
    """Return the record's own headers as one header, for when the dead letter is read again."""
    text = headers_text(record) if record.headers else ""
    return {RECORD_HEADERS: text} if 0 < len(text) <= MAX_BYTES else {}
