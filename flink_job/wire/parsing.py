"""From a frame's bytes to observations, and to dead letters with a reason for what is none."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from eddy.flink_job.wire.fast_parser import EARLIEST_TS, LATEST_TS, scan
from eddy.flink_job.wire.frames import Frame
from eddy.models.core.detector import Floats, Ints

MAX_SERIES_BYTES = 512
MAX_FEATURES = 1024
_SHOWN = 60
_NAMES_KEPT = 1 << 17  # of series, decoded and checked: a frame has many more keys than events where series are many


class BadObservation(Exception):
    """An observation that cannot be used.

    Args:
        reason: a fixed word, for counting.
        detail: what was found, what was expected.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Observations:
    """The usable observations of a frame, in order of arrival.

    Attributes:
        names: distinct series ids; ``codes`` (n,) says which each observation is of.
        ts: (n,) epoch ms. values: (n, C) by ``columns``; NaN = missing.
        at: (n,) index in the frame.
        bad: (index in the frame, what is wrong) of the others.
    """

    names: list[str]
    codes: Ints
    ts: Ints
    values: Floats
    at: Ints
    bad: list[tuple[int, BadObservation]]


def parse(value: bytes) -> tuple[str, int, dict[str, float]]:
    """Read one observation in full: (series, epoch ms, value by feature; NaN = missing).

    Raises:
        BadObservation: says what was found and what was expected.
    """
    if not value:
        raise BadObservation("empty", "found no value, expected a JSON object")
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError as strict:
        try:  # NaN and Infinity are no JSON, but common: NaN means missing, Infinity gets its own reason below
            raw = json.loads(value)
        except (ValueError, RecursionError):
            raise BadObservation("not-json", f"{strict}; expected a JSON object") from None
    if not isinstance(raw, dict):
        raise BadObservation("not-an-object", f"found {_shown(raw)}, expected a JSON object")
    return _series(raw.get("series")), _ts(raw.get("ts")), _values(raw)


def _series(found: Any) -> str:
    if not isinstance(found, str) or not found:
        raise BadObservation("bad-series", f"field 'series': found {_shown(found)}, expected a text that is not empty")
    if len(found.encode("utf-8", "surrogatepass")) > MAX_SERIES_BYTES:
        raise BadObservation("bad-series", f"field 'series': expected at most {MAX_SERIES_BYTES} bytes")
    if not found.isprintable():
        raise BadObservation("bad-series", f"field 'series': found {_shown(found)}, expected no control characters")
    return found


def _ts(found: Any) -> int:
    expected = "epoch milliseconds (whole number) or ISO-8601 text"
    if isinstance(found, str):
        try:
            moment = datetime.fromisoformat(found)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            found = round(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            raise BadObservation("bad-ts", f"field 'ts': found {_shown(found)}, expected {expected}") from None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool):
        raise BadObservation("bad-ts", f"field 'ts': found {_shown(found)}, expected {expected}")
    if not EARLIEST_TS <= found <= LATEST_TS:
        raise BadObservation(
            "bad-ts", f"field 'ts': found {_shown(found)}, expected a time between the years 1 and 9999"
        )
    return found


def _values(raw: Mapping[str, Any]) -> dict[str, float]:
    if "values" not in raw:
        if "value" not in raw:
            raise BadObservation("no-value", "expected a field 'value' or 'values'")
        return {"value": _value("value", raw["value"])}
    values = raw["values"]
    if not isinstance(values, dict) or not 0 < len(values) <= MAX_FEATURES:
        found = _shown(values) if not isinstance(values, dict) else f"{len(values)} features"
        raise BadObservation("bad-value", f"field 'values': found {found}, expected an object of 1 to {MAX_FEATURES}")
    return {name: _value(f"values.{name}", value) for name, value in values.items()}


def _value(field: str, found: Any) -> float:
    if found is None:
        return math.nan
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadObservation("bad-value", f"field {field!r}: found {_shown(found)}, expected a number or null")
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise BadObservation("bad-value", f"field {field!r}: found {_shown(found)}, expected a finite number")
    return number


def _shown(found: Any) -> str:
    text = repr(found)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({type(found).__name__})"


def shard_of(series: str, shards: int) -> int:
    """CRC-32 of the id's UTF-8 bytes, modulo the number of shards; as the JVM side computes it."""
    return zlib.crc32(series.encode()) % shards


def read_observations(frame: Frame, columns: Mapping[str, int], shards: int, max_ahead_ms: int) -> Observations:
    """Read every observation of a frame.

    Args:
        frame: what came.
        columns: feature to column of the result; features that no model wants are left out.
        shards: number of shards; a series read from a value must belong to the frame's.
        max_ahead_ms: how far an event may lie ahead of its Kafka timestamp; 0 = no limit.
    """
    n = len(frame)
    ts, value, read = np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_)
    scan(frame.values, frame.ends, frame.codes, frame.key_bytes, frame.key_ends, ts, value, read)
    names = list(map(_name, frame.keys))
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
            series, ts[i], by_feature = parse(frame.value(i))
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


@lru_cache(_NAMES_KEPT)
def _name(key: bytes) -> str:
    """The key as a series id; empty where it is not fit to be one."""
    try:
        name = key.decode()
    except UnicodeDecodeError:
        return ""
    return name if len(key) <= MAX_SERIES_BYTES and name.isprintable() else ""


def _check_key(frame: Frame, i: int, series: str, shards: int) -> None:
    key = frame.keys[int(frame.codes[i])]
    try:
        encoded = series.encode()
    except UnicodeEncodeError:
        raise BadObservation("bad-series", f"field 'series': found {_shown(series)}, expected valid Unicode") from None
    if frame.keyless[i]:
        if shard_of(series, shards) != frame.shard:
            raise BadObservation(
                "no-key", f"series {_shown(series)} cannot be read without parsing; set the message key"
            )
    elif key != encoded:
        raise BadObservation(
            "key-mismatch", f"message key {_shown(key)} differs from series {_shown(series)}; expected the same"
        )
