"""Admit observations to scoring: those of series that a model applies to; the others become pending events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from eddy.flink_job.operators.dead_letters import DeadLetter, Record, record_at
from eddy.flink_job.operators.pending_events import PendingEvent, PendingEvents
from eddy.flink_job.wire.frames import Frame, stream_number
from eddy.flink_job.wire.parsing import Observations
from eddy.formats import BadObservation, Format
from eddy.models.core.detector import Floats, Ints
from eddy.models.engine.engine import Engine
from eddy.models.serving.pending_versions import PendingVersions
from eddy.models.windowing.partitions import Origins

TOO_MANY_SERIES = "too-many-series"  # reason of dead letters


@dataclass(frozen=True)
class Batch:
    """Observations that can be scored, in order of arrival.

    Attributes:
        slots: (n,) of the engine. ts: (n,) epoch ms. values: (n, C) by ``models.columns``; NaN = missing.
        origins: where each comes from.
        record: gives the record of an observation by its index, should it become a dead letter.
        dropped: pending events that were dropped on the way.
        dead_letters: records that turned out to be none on the way.
        final: whether nothing will follow, so that the reorder buffer releases what it holds.
    """

    slots: Ints
    ts: Ints
    values: Floats
    origins: Origins
    record: Callable[[int], Record]
    dropped: int = 0
    dead_letters: list[DeadLetter] = field(default_factory=list)
    final: bool = False


def within_max_series(
    engine: Engine, max_series: int, frame: Frame, read: Observations
) -> tuple[Observations, list[DeadLetter]]:
    """Leave out the observations of new series that the shard has no place for; those become dead letters."""
    known = engine.slot_of
    if len(known) + len(read.names) <= max_series:  # as good as always: no name is looked at
        return read, []
    new = [code for code, name in enumerate(read.names) if name not in known]
    refused = new[max(max_series - len(known), 0) :]
    if not refused:
        return read, []
    taken = np.ones(len(read.names), np.bool_)
    taken[refused] = False
    kept = taken[read.codes]
    keeps = f"the shard keeps {max(len(known), max_series)} series, job.max_series = {max_series}"
    detail = f"{keeps}; found a new one; raise the setting"
    left_out = [
        DeadLetter(record_at(frame, i), TOO_MANY_SERIES, f"{detail}, or wait until silent series go (job.state_ttl_ms)")
        for i in read.at[~kept].tolist()
    ]
    codes = (np.cumsum(taken) - 1)[read.codes[kept]]
    names = [name for name, keep in zip(read.names, taken.tolist(), strict=True) if keep]
    return Observations(names, codes, read.ts[kept], read.values[kept], read.at[kept], read.bad), left_out


def admit(
    engine: Engine,
    pending: PendingEvents,
    versions: PendingVersions | None,
    frame: Frame,
    read: Observations,
    steady: int,
) -> Batch:
    """Choose the observations of a frame that a model applies to; keep the others as pending events.

    ``steady`` is the time of the frame by the shard's steady clock.
    """
    if versions:
        versions.observe(read.names, read.codes, read.values)
        engine.adopt_models()
    slots = engine.slots(read.names)[read.codes]
    scored = engine.covered[slots]
    ts, values, at, dropped = read.ts, read.values, read.at, 0
    if not scored.all():
        held = np.flatnonzero(~scored)
        engine.series.touch(slots[held], steady)  # or their series would count as silent from the start
        places = at[held]
        for i, code, *place in zip(
            places.tolist(),
            read.codes[held].tolist(),
            frame.timestamps[places].tolist(),
            frame.partitions[places].tolist(),
            frame.offsets[places].tolist(),
            strict=True,
        ):
            event = PendingEvent(place[0], frame.value(i), place[1], place[2], frame.topic(i))
            dropped += pending.add(read.names[code], event)
        if engine.silence is not None:
            engine.silence.observe(slots[held], ts[held], frame.streams()[places], frame.now)
        slots, ts, values, at = slots[scored], ts[scored], values[scored], at[scored]
    origins = Origins(frame.timestamps[at], frame.streams()[at], frame.keyless[at])
    return Batch(slots, ts, values, origins, lambda i: record_at(frame, int(at[i])), dropped)


def admit_pending(engine: Engine, pending: PendingEvents, form: Format) -> Batch:
    """Take the pending events of the series that a model applies to by now; they are read again."""
    names = pending.series
    slots = engine.slots(names)
    covered = {name: slot for name, slot in zip(names, slots.tolist(), strict=True) if engine.covered[slot]}
    columns = engine.models.columns
    records: list[Record] = []
    taken: list[int] = []
    times: list[int] = []
    rows: list[Floats] = []
    bad: list[DeadLetter] = []
    for name, event in pending.take(covered):
        record = Record(name.encode(), event.value, event.ts, event.partition, event.offset, event.topic)
        try:
            _, moment, by_feature = form.read(record.value, record.key)
        except BadObservation as problem:  # kept with another format
            bad.append(DeadLetter(record, problem.reason, problem.detail))
            continue
        row = np.full(len(columns), np.nan)
        for feature, number in by_feature.items():
            if feature in columns:
                row[columns[feature]] = number
        records.append(record)
        taken.append(covered[name])
        times.append(moment)
        rows.append(row)
    values = np.array(rows).reshape(len(rows), len(columns))
    slots, ts = np.array(taken, np.int64), np.array(times, np.int64)
    stamps = np.array([record.timestamp for record in records], np.int64)
    places = np.array([stream_number(record.topic, record.partition) for record in records], np.int32)
    origins = Origins(stamps, places, np.zeros(len(records), np.bool_))
    return Batch(slots, ts, values, origins, records.__getitem__, 0, bad)


def note_pending(engine: Engine, pending: PendingEvents) -> None:
    """Have restored series with pending events count as seen when their newest event came: earlier state says never."""
    if len(pending):
        slots = engine.slots(pending.series)
        seen = engine.series.seen
        seen[slots] = np.maximum(seen[slots], np.array(pending.newest(), np.int64))


def nothing(final: bool = False) -> Batch:
    """Make a batch without observations; ``final``: it follows the last one of a bounded source."""

    def no_record(i: int) -> Record:
        raise IndexError(i)

    empty = np.zeros(0, np.int64)
    origins = Origins(empty, np.zeros(0, np.int32), np.zeros(0, np.bool_))
    return Batch(empty, empty, np.zeros((0, 1)), origins, no_record, final=final)
