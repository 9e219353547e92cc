"""Collect observations one by one into series with the same features: what is read from Kafka or through a mapping."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from eddy.errors import DataError
from eddy.training.data.datasets import Dataset, RawSeries

_MAX_POINTS = 50_000_000  # in all series: a few gigabytes; more does not fit a laptop


class Points:
    """Collect observations; :meth:`dataset` returns them as series, sorted by name.

    Examples:
        >>> points = Points()
        >>> points.add("pump", 1000, {"t": 4.0})
        >>> points.add("pump", 2000, {"t": 5.0, "p": 1.0})
        >>> points.dataset().features, points.dataset().series[0].values.tolist()
        (('t', 'p'), [[4.0, nan], [5.0, 1.0]])
    """

    def __init__(self) -> None:
        self._count = 0
        self._found: dict[str, tuple[list[int], list[Mapping[str, float]]]] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, series: str, ts: int, values: Mapping[str, float]) -> None:
        """Take an observation: its series, event time (epoch ms), and values by feature.

        Raises:
            DataError: there are too many.
        """
        self._count += 1
        if self._count > _MAX_POINTS:
            raise DataError(f"found more than {_MAX_POINTS:,} points; choose by --series")
        times, rows = self._found.setdefault(series, ([], []))
        times.append(ts)
        rows.append(values)

    def dataset(self) -> Dataset:
        """Return the series.

        Raises:
            DataError: series differ in their features.
        """
        features: dict[str, None] = {}
        for _, rows in self._found.values():
            for row in rows:
                features.update(dict.fromkeys(row))
        names = tuple(features)
        series = tuple(
            RawSeries(
                name,
                np.array(ts, np.int64),
                np.array([[row.get(feature, math.nan) for feature in names] for row in rows]),
            )
            for name, (ts, rows) in sorted(self._found.items())
        )
        for s in series:
            if len(names) > 1 and np.isnan(s.values).all(axis=0).any():
                lacking = names[int(np.flatnonzero(np.isnan(s.values).all(axis=0))[0])]
                raise DataError(f"series {s.name!r} has no value of {lacking!r}, others have; choose with --series")
        return Dataset(names, series)
