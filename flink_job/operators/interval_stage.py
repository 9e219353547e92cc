"""Aggregate: the events of sources with ``aggregate`` become frames with one observation for each series and interval.

A stage of its own before everything else in a shard, with its own keyed state and its own clock: what comes after it
does not know whether a point was measured or made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from eddy.event_times import iso
from eddy.flink_job.operators.dead_letters import DeadLetter, record_at
from eddy.flink_job.wire.frames import DATA, Frame, FrameWriter, read_frame
from eddy.flink_job.wire.raw_events import read_raw
from eddy.inputs.clusters import clusters, number_of
from eddy.inputs.interval_observations import observations_of
from eddy.inputs.interval_rules import interval_rules
from eddy.inputs.record import Record
from eddy.intervals import ms_to_interval
from eddy.models.engine.state.codec import pack, pack_text, unpack, unpack_text
from eddy.models.intervals.aggregator import Aggregator, Closed
from eddy.models.intervals.clock import IntervalClock
from eddy.models.intervals.rule import IntervalRule
from eddy.settings import Settings

log = logging.getLogger(__name__)

STATE = "intervals/"  # what the keys of its entries begin with
_LIVE_MS = 60_000  # lag of a live source, at least
_REMEMBERED = 2  # closings whose numbers of events are kept, for alerts
_ALERTED = 10_000  # series whose newest alert is remembered


class IntervalPlan:
    """Hold what all shards share: the rules, and which topics they are about."""

    def __init__(self, settings: Settings) -> None:
        every = clusters(settings)
        self.rules = interval_rules({name: one for cluster in every for name, one in cluster.sources.items()})
        self.clusters = len(every)
        self._clusters = every
        self._aggregated = {name for rule in self.rules for name in rule.sources}
        self.source_of = lru_cache(4096)(self._source_of)

    def _source_of(self, cluster: int, topic: str) -> str | None:
        """Return the source with ``aggregate`` that a topic belongs to; None: it belongs to another."""
        found = self._clusters[cluster].source_of(topic)
        return found if found in self._aggregated else None


class IntervalStage:
    """Aggregate the events of one shard.

    Args:
        plan: of the settings.
        shard: its number.
    """

    def __init__(self, plan: IntervalPlan, shard: int) -> None:
        self._plan, self._shard = plan, shard
        self._aggregators = [Aggregator(rule) for rule in plan.rules]
        #: by source: the place of its rule, and its number there
        self._of = {name: (at, number) for at, rule in enumerate(plan.rules) for name, number in rule.sources.items()}
        self._clocks = [
            IntervalClock({number_of(name) for name in rule.sources}, max(rule.every_ms + rule.wait_ms, _LIVE_MS))
            for rule in plan.rules
        ]
        self._closed: list[tuple[IntervalRule, Closed]] = []
        self._alerted: dict[str, dict[str, int]] = {}  # by series: the interval that its newest alert is of
        self._forced = 0

    def take(self, frame: Frame) -> tuple[Frame | None, list[DeadLetter]]:
        """Take the events out of a frame; returns what is left of it (None: nothing), and late events."""
        plan, cluster = self._plan, frame.cluster(self._plan.clusters)
        for one in frame.clocks:
            found = self._of.get(f"input.{one.number}")
            if found is not None:
                self._clocks[found[0]].observe(one.number, frame.source, one.watermark, one.last, one.active)
        topics: dict[str, set[str]] = {}
        for topic in frame.topics:
            if (name := plan.source_of(cluster, topic)) is not None:
                topics.setdefault(name, set()).add(topic)
        if not topics:
            return frame, []
        dead_letters: list[DeadLetter] = []
        taken = np.zeros(len(frame), np.bool_)
        for name, own in topics.items():
            at = frame.of_topics(own)
            taken[at] = True
            place, number = self._of[name]
            aggregator = self._aggregators[place]
            labels = aggregator.rule.columns[number]
            keys, ts, values = read_raw(frame, at, len(labels))
            used, codes = np.unique(keys, return_inverse=True)
            late = aggregator.add(number, [frame.keys[k].decode() for k in used.tolist()], codes, ts, values)
            for k in np.flatnonzero(late).tolist():
                dead_letters.append(
                    _late(
                        frame,
                        int(at[k]),
                        name,
                        aggregator,
                        int(ts[k]),
                        dict(zip(labels, values[k].tolist(), strict=True)),
                    )
                )
        left = np.flatnonzero(~taken)
        return (frame.take(left.tolist()) if len(left) else None), dead_letters

    def close(self, frame: Frame, final: bool) -> Iterator[Frame]:
        """Yield frames with the observations of intervals that end now.

        Args:
            frame: says what time it is.
            final: nothing will follow: intervals that ended before the newest event are closed without waiting.
        """
        self._closed = self._closed[-_REMEMBERED:]
        subtasks = frame.sources // (2 * self._plan.clusters)
        for number, (one, clock) in enumerate(zip(self._aggregators, self._clocks, strict=True)):
            until = clock.newest() + one.rule.wait_ms if final else clock.at(frame.now, subtasks)
            while one.due(until) or one.crowded:
                closed = one.close(until)
                if closed is None:
                    break
                self._closed.append((one.rule, closed))
                yield _as_frame(closed, one.rule, number, self._shard, frame)
                if not final:  # a long gap without events goes over several frames, so that no event waits
                    break

    def interval(self, series: str, ts: int) -> dict[str, int] | None:
        """Return what an alert says of the interval that a point is of; None: the point was measured."""
        for rule, closed in reversed(self._closed):
            if series not in closed.names:
                continue
            code = list(closed.names).index(series)
            found = np.flatnonzero((closed.codes == code) & (closed.ts == ts))
            if len(found):
                self._alerted.pop(series, None)
                if len(self._alerted) >= _ALERTED:
                    del self._alerted[next(iter(self._alerted))]
                said = {"start": ts, "end": ts + rule.every_ms, "events": int(closed.events[found[0]])}
                self._alerted[series] = said
                return said
        said_before = self._alerted.get(series)  # an incident closes some intervals after its newest point
        return said_before if said_before is not None and said_before["start"] == ts else None

    def take_forced(self) -> int:
        """Count the intervals that were closed before their time, as too many were open, since the last call."""
        before, self._forced = self._forced, sum(one.forced for one in self._aggregators)
        return self._forced - before

    # -- state -------------------------------------------------------------------------------------------------

    def changes(self) -> dict[str, bytes | None]:
        """Return the entries of keyed state to put (None: to remove)."""
        found: dict[str, bytes | None] = {}
        for one in self._aggregators:
            for key, entry in one.changes().items():
                name = f"{STATE}{one.rule.name}/{_digest(one.rule)}/{key}"
                if entry is None:
                    found[name] = None
                else:
                    found[name] = pack_text(entry) if isinstance(entry, str) else pack(entry)
        return found

    def restore(self, entries: Mapping[str, bytes]) -> list[str]:
        """Fill the stage from its entries; returns the keys of those that no rule has any use for."""
        unknown = []
        by_rule = {(one.rule.name, _digest(one.rule)): one for one in self._aggregators}
        found: dict[int, dict[str, dict[str, NDArray[Any]] | str]] = {}
        for key, blob in entries.items():
            name, digest, kind = key.removeprefix(STATE).rsplit("/", 2)
            one = by_rule.get((name, digest))
            if one is None:
                unknown.append(key)
                continue
            found.setdefault(id(one), {})[kind] = unpack_text(blob) if kind == "names" else unpack(blob)
        for one in self._aggregators:
            one.restore(found.get(id(one), {}))
        if unknown:
            log.warning("shard %d: the aggregation has changed: open intervals begin anew", self._shard)
        return unknown


def _late(frame: Frame, i: int, name: str, aggregator: Aggregator, ts: int, numbers: Mapping[str, float]) -> DeadLetter:
    """Make a dead letter of an event of a source whose interval has been closed."""
    rule = aggregator.rule
    said = {label: None if math.isnan(value) else value for label, value in numbers.items()}
    series = frame.keys[int(frame.codes[i])].decode(errors="replace")
    value = orjson.dumps({"series": series, "ts": ts, "event": said})
    end = (rule.interval_of(ts) + 1) * rule.every_ms
    through = (aggregator.closed_through + 1) * rule.every_ms
    detail = (
        f"found an event of {iso(ts)}, whose interval ended at {iso(end)}; intervals up to {iso(through)} are "
        f"closed: each waits {ms_to_interval(rule.wait_ms)} for stragglers ({name}.aggregate.wait)"
    )
    return DeadLetter(replace(record_at(frame, i), value=value), "late", detail, {"form": "event"})


def _digest(rule: IntervalRule) -> str:
    """Identify what open intervals of a rule hold."""
    measures = [(one.name, one.function, one.column, one.source, one.of) for one in rule.measures]
    said = [rule.every_ms, rule.columns, measures]
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=4).hexdigest()


def _as_frame(closed: Closed, rule: IntervalRule, number: int, shard: int, frame: Frame) -> Frame:
    """Make the frame that such observations would come in."""
    writer = FrameWriter()
    for one in observations_of(closed, rule):
        series = one.series.encode()
        writer.add(Record(f"interval-{number}", timestamp=frame.now, key=series), series, one.to_json())
    return read_frame(writer.take(DATA, shard, frame.now, frame.source, frame.sources))
