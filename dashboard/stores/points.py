"""Keep the points of watched series in columns that only grow, so that readers need no lock and no copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from eddy.dashboard.records import Floats, Ints, ScoredPoint

_FIRST_ROWS = 256


@dataclass(frozen=True)
class Columns:
    """Hold rows in order of time, each time once. ``data`` is (n, width); the owner knows its columns."""

    ts: Ints
    data: Floats

    def __len__(self) -> int:
        return len(self.ts)

    def between(self, first: int | None, last: int | None) -> Columns:
        """Return the rows with ``first <= ts <= last``; None = no limit."""
        start = 0 if first is None else int(np.searchsorted(self.ts, first, "left"))
        end = len(self.ts) if last is None else int(np.searchsorted(self.ts, last, "right"))
        return Columns(self.ts[start:end], self.data[start:end])


class Growing:
    """Grow a table by rows in any order; in order is cheap. Belongs to the collector thread."""

    def __init__(self, width: int) -> None:
        self._ts = np.zeros(_FIRST_ROWS, np.int64)
        self._data = np.full((_FIRST_ROWS, width), np.nan)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def newest(self) -> int:
        """Return the time of the last row; -1 = there is none."""
        return int(self._ts[self._size - 1]) if self._size else -1

    def add(self, ts: Ints, data: Floats) -> None:
        """Add rows; a time that is there already keeps its row."""
        if not len(ts):
            return
        if len(ts) > 1 and (np.diff(ts) <= 0).any():
            ts, first = np.unique(ts, return_index=True)
            data = data[first]
        if self._size and ts[0] <= self.newest:
            known = self._ts[: self._size]
            ts, first = np.unique(np.concatenate([known, ts]), return_index=True)
            data = np.concatenate([self._data[: self._size], data])[first]
            self._ts, self._data, self._size = ts, data, len(ts)  # readers keep the old arrays
            return
        end = self._size + len(ts)
        if end > len(self._ts):
            room = max(end, 2 * len(self._ts))
            self._ts = np.concatenate([self._ts[: self._size], np.zeros(room - self._size, np.int64)])
            more = np.full((room - self._size, self._data.shape[1]), np.nan)
            self._data = np.concatenate([self._data[: self._size], more])
        self._ts[self._size : end], self._data[self._size : end] = ts, data
        self._size = end

    def columns(self) -> Columns:
        """Return the present rows; later ones do not appear in the result."""
        return Columns(self._ts[: self._size], self._data[: self._size])


@dataclass(frozen=True)
class ScoredPoints:
    """Hold one model's scored points.

    Columns of ``table.data``: value, expected, lower, upper of each feature, feature by feature; then score, threshold,
    imputed. Of the features in ``increases``, which are counters, the values and the band are of their increase.
    """

    features: tuple[str, ...]
    table: Columns
    increases: tuple[str, ...] = ()

    def column(self, feature: str, what: str) -> Floats:
        """Return one column: value, expected, lower or upper of a feature; or score, threshold or imputed of any."""
        return self.table.data[:, column_of(self.features, feature, what)]

    def between(self, first: int | None, last: int | None) -> ScoredPoints:
        """Return the rows of a range; see :meth:`Columns.between`."""
        return ScoredPoints(self.features, self.table.between(first, last), self.increases)

    def name_of(self, feature: str) -> str:
        """Return what the values of a feature are of: itself, or its increase where it is a counter."""
        return f"increase of {feature}" if feature in self.increases else feature


PER_FEATURE = ("value", "expected", "lower", "upper")
PER_POINT = ("score", "threshold", "imputed")


def column_of(features: Sequence[str], feature: str, what: str) -> int:
    """Return the index into the columns of :class:`ScoredPoints`."""
    if what in PER_POINT:
        return len(features) * len(PER_FEATURE) + PER_POINT.index(what)
    return list(features).index(feature) * len(PER_FEATURE) + PER_FEATURE.index(what)


@dataclass(frozen=True)
class SeriesPoints:
    """Hold all known points of one series.

    Attributes:
        series: its id.
        scored: by model.
        raw: observations from Kafka; columns as in ``raw_features``.
        late: late observations, which were never scored; columns as ``raw``.
        loaded: whether Redis has been read.
        history: share of the observations topic that has been read back, 0-1; 1 = all there is, or as far as allowed.
    """

    series: str
    scored: Mapping[str, ScoredPoints] = field(default_factory=dict)
    raw_features: tuple[str, ...] = ()
    raw: Columns | None = None
    late: Columns | None = None
    loaded: bool = False
    history: float = 0.0


def scored_points(features: Sequence[str], rows: Sequence[ScoredPoint]) -> tuple[Ints, Floats]:
    """Lay rows out as the columns of :class:`ScoredPoints`."""
    table = np.full((len(rows), len(features) * len(PER_FEATURE) + len(PER_POINT)), np.nan)
    for k, row in enumerate(rows):
        for f, feature in enumerate(features):
            base = f * len(PER_FEATURE)
            for i, given in enumerate((row.values, row.expected, row.lower, row.upper)):
                value = given.get(feature)
                if value is not None:
                    table[k, base + i] = value
        if row.score is not None:
            table[k, -3] = row.score
        if row.threshold is not None:
            table[k, -2] = row.threshold
        table[k, -1] = row.imputed
    return np.array([row.ts for row in rows], np.int64), table
