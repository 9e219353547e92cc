"""Parse a frame into observations; collect the records that are none, each with a reason."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from eddy.flink_job.wire.frames import Frame
from eddy.formats import MAX_SERIES_BYTES, BadObservation, Format, check_key, shown
from eddy.models.core.detector import Floats, Ints
from eddy.texts import is_printable

log = logging.getLogger(__name__)

_NAMES_KEPT = 1 << 17  # of series, decoded and checked: a frame has many more keys than events where series are many


@dataclass(frozen=True)
class Observations:
    """Hold the usable observations of a frame, in order of arrival.

    Attributes:
        names: distinct series ids; ``codes`` (n,) is the index of each observation's series among them.
        ts: (n,) epoch ms. values: (n, C) by ``columns``; NaN = missing.
        at: (n,) index in the frame.
        bad: (index in the frame, what is wrong) of each record that is no usable observation.
    """

    names: list[str]
    codes: Ints
    ts: Ints
    values: Floats
    at: Ints
    bad: list[tuple[int, BadObservation]]


def shard_of(series: str, shards: int) -> int:
    """Compute the shard of a series as the JVM side does: CRC-32 of the id's UTF-8 bytes, modulo the shards."""
    return zlib.crc32(series.encode()) % shards


def read_observations(
    frame: Frame, form: Format, columns: Mapping[str, int], shards: int, max_ahead_ms: int
) -> Observations:
    """Read every observation of a frame; set a record that makes the reader itself fail aside, reason ``failed``.

    Args:
        frame: what came.
        form: the format of its records.
        columns: feature to column of the result; features that no model wants are left out.
        shards: number of shards; a series read from a value must belong to the frame's.
        max_ahead_ms: how far an event may lie ahead of its Kafka timestamp; 0 = no limit.
    """
    try:
        return _read(frame, form, columns, shards, max_ahead_ms)
    except Exception:
        log.exception("frame of shard %d, partition[offsets] %s: read one by one", frame.shard, frame.places())
    failed: list[tuple[int, BadObservation]] = []
    for i in range(len(frame)):
        try:
            _read(frame.take([i]), form, columns, shards, max_ahead_ms)
        except Exception as error:
            failed.append((i, BadObservation("failed", f"{type(error).__name__}: {error}")))
    sound = np.setdiff1d(np.arange(len(frame)), [i for i, _ in failed])
    found = _read(frame.take(sound.tolist()), form, columns, shards, max_ahead_ms)
    bad = [(int(sound[i]), problem) for i, problem in found.bad]
    return replace(found, at=sound[found.at], bad=sorted(bad + failed, key=lambda item: item[0]))


def _read(frame: Frame, form: Format, columns: Mapping[str, int], shards: int, max_ahead_ms: int) -> Observations:
    n = len(frame)
    ts, value, read = np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_)
    form.scan(frame.values, frame.ends, frame.codes, frame.key_bytes, frame.key_ends, ts, value, read)
    read &= (ts >= form.times.first_ms) & (ts <= form.times.last_ms)  # the full parser says what is wrong with others
    names = series_names(frame)
    codes = frame.codes.astype(np.int64)
    if "" in names:
        read &= np.array([name != "" for name in names])[codes]
    values = np.full((n, len(columns)), np.nan)
    values[:, columns["value"]] = value
    bad: list[tuple[int, BadObservation]] = []
    usable, renamed = read.copy(), False
    unread = np.flatnonzero(~read).tolist()
    index = {name: k for k, name in enumerate(names)} if unread else {}
    for i in unread:
        try:
            series, ts[i], by_feature = form.read(frame.value(i), frame.key(i))
            _check_key(frame, i, series, shards)
        except BadObservation as problem:
            bad.append((i, problem))
            continue
        code = index.setdefault(series, len(names))
        if code == len(names):
            names.append(series)
        renamed |= code != codes[i]
        codes[i] = code
        values[i] = np.nan
        for feature, number in by_feature.items():
            if feature in columns:
                values[i, columns[feature]] = number
        usable[i] = True
    if max_ahead_ms:
        for i in np.flatnonzero(usable & (ts > frame.timestamps + max_ahead_ms)).tolist():
            usable[i] = False
            ahead = f"field 'ts': found {ts[i]}, {ts[i] - frame.timestamps[i]} ms after the record's own time"
            bad.append((i, BadObservation("future", f"{ahead}; expected at most job.max_ahead_ms = {max_ahead_ms}")))
    if usable.all() and not renamed:
        return Observations(names, codes, ts, values, np.arange(n), bad)
    at = np.flatnonzero(usable)
    used, codes = np.unique(codes[at], return_inverse=True)  # a name that no usable event has is no series
    names = [names[code] for code in used.tolist()]
    return Observations(names, codes, ts[at], values[at], at, sorted(bad, key=lambda item: item[0]))


def series_names(frame: Frame) -> list[str]:
    """Decode the keys of a frame as series ids; a key that cannot be one is an empty text."""
    ends = frame.key_ends
    known = len(ends) and int((ends[1:] - ends[:-1]).max(initial=ends[0])) <= MAX_SERIES_BYTES
    return list(map(_name, frame.keys)) if known else [_short_name(key) for key in frame.keys]


def _short_name(key: bytes) -> str:
    """Decode a key that may be long: what is no series id is not kept, or a hundred thousand of them would be."""
    return _name(key) if len(key) <= MAX_SERIES_BYTES else ""


@lru_cache(_NAMES_KEPT)
def _name(key: bytes) -> str:
    """Decode a key as a series id; empty where it cannot be one."""
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return ""
    return name if is_printable(name) else ""


def _check_key(frame: Frame, i: int, series: str, shards: int) -> None:
    check_key(series, frame.key(i))
    if frame.keyless[i] and shard_of(series, shards) != frame.shard:
        raise BadObservation("no-key", f"series {shown(series)} cannot be read without parsing; set the message key")
