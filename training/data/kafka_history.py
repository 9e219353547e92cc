"""Read the history of the observations topic as training data: the job's input between two event times."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from eddy.errors import DataError
from eddy.settings import Settings
from eddy.topic_reader import whole_topic
from eddy.training.data.datasets import Dataset, RawSeries
from eddy.training.data.nab import parse_time

_MAX_POINTS = 50_000_000  # in all series: a few gigabytes; more does not fit a laptop


def load_history(
    settings: Settings,
    start: int | None = None,
    end: int | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> tuple[Dataset, int]:
    """Read the topic as it is now; return (series, number of messages that could not be used).

    The topic is read from its oldest record to its end, since brokers index records by the time of sending, and ``ts``
    is another time.

    Args:
        settings: connection and topic names.
        start, end: epoch ms; points from ``start`` on and before ``end``. None = all.
        wanted: returns whether to read a series.

    Raises:
        StackError: no broker answers, or the topic does not exist.
        DataError: there is no point in this range, or series differ in their features.
    """
    topic = settings.topics.name("observations")
    found: dict[str, tuple[list[int], list[dict[str, float]]]] = {}
    bad = points = 0
    for record in whole_topic(settings, "observations"):
        parsed = parse(record.value)
        if parsed is None:
            bad += 1
            continue
        name, ts, values = parsed
        if (start is not None and ts < start) or (end is not None and ts >= end) or not wanted(name):
            continue
        points += 1
        if points > _MAX_POINTS:
            raise DataError(f"topic {topic}: more than {_MAX_POINTS:,} points; choose by --series")
        times, rows = found.setdefault(name, ([], []))
        times.append(ts)
        rows.append(values)
    if not found:
        raise DataError(
            f"topic {topic}: no observation of these series in this range ({bad} messages could not be read)"
        )
    return _dataset(found), bad


def parse(value: bytes | None) -> tuple[str, int, dict[str, float]] | None:
    """Return (series, epoch ms, value by feature) of an observation message; None if it is not one."""
    try:
        raw = json.loads(value or b"")
        ts = raw["ts"]
        ts = parse_time(ts) if isinstance(ts, str) else int(ts)
        values = raw["values"] if "values" in raw else {"value": raw["value"]}
        numbers = {str(name): _number(number) for name, number in values.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, DataError):
        return None
    name = raw.get("series")
    good = isinstance(name, str) and bool(name) and bool(numbers) and not any(map(math.isinf, numbers.values()))
    return (name, ts, numbers) if good else None


def _number(found: Any) -> float:
    if found is None:
        return math.nan
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError
    return float(found)


def _dataset(found: dict[str, tuple[list[int], list[dict[str, float]]]]) -> Dataset:
    features: dict[str, None] = {}
    for _, rows in found.values():
        for row in rows:
            features.update(dict.fromkeys(row))
    names = tuple(features)
    series = tuple(
        RawSeries(
            name,
            np.array(ts, np.int64),
            np.array([[row.get(feature, math.nan) for feature in names] for row in rows]),
        )
        for name, (ts, rows) in sorted(found.items())
    )
    for s in series:
        if len(names) > 1 and np.isnan(s.values).all(axis=0).any():
            lacking = names[int(np.flatnonzero(np.isnan(s.values).all(axis=0))[0])]
            raise DataError(f"series {s.name!r} has no value of {lacking!r}, others have; choose with --series")
    return Dataset(names, series)
