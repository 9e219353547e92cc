"""Read the history of the observations topic as training data: what the job saw between two event times."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from eddy.errors import DataError
from eddy.formats import BadObservation, check_key, find_format
from eddy.settings import Settings
from eddy.topic_reader import whole_topic
from eddy.training.data.datasets import Dataset, RawSeries

_MAX_POINTS = 50_000_000  # in all series: a few gigabytes; more does not fit a laptop


def load_history(
    settings: Settings,
    start: int | None = None,
    end: int | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> tuple[Dataset, int]:
    """Read the topic as it is now: (series, number of messages that could not be used).

    Messages are read with the format of the job (``job.format``), which decides what is an observation here as well.

    The topic is read from its oldest record to its end, since brokers index records by the time of sending, and ``ts``
    is another time.

    Args:
        settings: connection and topic names.
        start, end: epoch ms; points from ``start`` on and before ``end``. None = all.
        wanted: returns whether to read a series.

    Raises:
        SettingsError: there is no such format.
        StackError: no broker answers, or the topic does not exist.
        DataError: there is no point in this range, or series differ in their features.
    """
    topic, form = settings.topics.name("observations"), find_format(settings.job.format, settings.job.event_times)
    found: dict[str, tuple[list[int], list[dict[str, float]]]] = {}
    bad = points = 0
    for record in whole_topic(settings, "observations"):
        try:
            name, ts, values = form.read(record.value or b"", record.key)
            check_key(name, record.key)
        except BadObservation:
            bad += 1
            continue
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
