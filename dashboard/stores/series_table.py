"""Keep the newest state of every series in columns, for the overview's counts and the list of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.dashboard.records import Floats, SeriesRow

OK, ANOMALOUS, OPEN, SILENT = range(4)
STATES = ("ok", "anomalous", "open", "silent", "warming", "unscored")  # by code
RARE = ("unscored",)  # not counted where no series has them
_CODES = {name: code for code, name in enumerate(STATES)}
SPARK = 48  # newest values kept of every series, for the small lines in lists: 192 bytes each


@dataclass(frozen=True)
class SeriesView:
    """Hold all series of one moment; nothing in it changes any more. Columns have shape (n,).

    Attributes:
        names, lower: ids, and the same in lower case for searching.
        ts: event time of the newest point, epoch ms.
        written: wall clock of the job's last write, epoch ms.
        value: of the first feature; NaN = missing.
        score, threshold: NaN = none.
        state: codes, see :data:`STATES`.
        model: index into ``models``.
        features: number of features.
        spark: (n, SPARK), newest last; NaN = not yet.
    """

    names: tuple[str, ...]
    lower: tuple[str, ...]
    ts: NDArray[np.int64]
    written: NDArray[np.int64]
    value: Floats
    score: Floats
    threshold: Floats
    state: NDArray[np.int8]
    model: NDArray[np.int32]
    models: tuple[str, ...]
    features: NDArray[np.int32]
    spark: NDArray[np.float32]
    index: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        """Count the series in each state."""
        found = np.bincount(self.state, minlength=len(STATES))
        return {name: int(found[code]) for code, name in enumerate(STATES) if found[code] or name not in RARE}

    def select(self, text: str = "", state: str = "", model: str = "") -> NDArray[np.intp]:
        """Return indices of the series whose id contains ``text`` and that have this state and model."""
        keep = np.ones(len(self.names), np.bool_)
        if state in _CODES:
            keep &= self.state == _CODES[state]
        if model:
            keep &= self.model == (self.models.index(model) if model in self.models else -1)
        searched = text.strip().lower()
        if searched:
            keep &= np.fromiter((searched in name for name in self.lower), np.bool_, len(self.lower))
        return np.flatnonzero(keep)

    def order(self, chosen: NDArray[np.intp], by: str, descending: bool) -> NDArray[np.intp]:
        """Return the same indices, sorted; NaN last either way."""
        if by == "series":
            ordered = sorted(chosen.tolist(), key=self.lower.__getitem__, reverse=descending)
            return np.array(ordered, np.intp)
        columns: dict[str, NDArray[Any]] = {
            "value": self.value,
            "ratio": self.ratio(),
            "state": _BADNESS[self.state],
            "ts": self.ts,
            "model": self.model,
        }
        column = columns.get(by, columns["ratio"])[chosen].astype(np.float64)
        keys = -column if descending else column
        return chosen[np.argsort(keys, kind="stable")]

    def ratio(self) -> Floats:
        """Return the score as a multiple of the threshold, comparable between models; NaN where either is missing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: Floats = np.where(self.threshold > 0, self.score / self.threshold, np.nan)
        return ratio


_BADNESS = np.array([1, 2, 3, 0, 0.5, 1.5], np.float64)  # by code: warming is the min, open the max


class SeriesTable:
    """Take rows as they come; belongs to the collector thread."""

    def __init__(self, silent_seconds: int) -> None:
        self._silent_ms = silent_seconds * 1000
        self._index: dict[str, int] = {}
        self._names: list[str] = []
        self._lower: list[str] = []
        self._models: dict[str, int] = {}
        self._size = 0
        self._columns: dict[str, NDArray[Any]] = {
            "ts": np.zeros(0, np.int64),
            "written": np.zeros(0, np.int64),
            "value": np.zeros(0),
            "score": np.zeros(0),
            "threshold": np.zeros(0),
            "state": np.zeros(0, np.int8),
            "model": np.zeros(0, np.int32),
            "features": np.zeros(0, np.int32),
            "spark": np.zeros((0, SPARK), np.float32),
        }

    def put(self, rows: Sequence[SeriesRow]) -> None:
        """Take the newest state of some series."""
        columns = self._columns
        for row in rows:
            k = self._index.get(row.series)
            if k is None:
                k = self._add(row.series)
            fresh = row.ts != columns["ts"][k]
            columns["ts"][k], columns["written"][k] = row.ts, row.written
            value = next(iter(row.values.values()), None)
            columns["value"][k] = np.nan if value is None else value
            columns["score"][k] = np.nan if row.score is None else row.score
            columns["threshold"][k] = np.nan if row.threshold is None else row.threshold
            columns["state"][k] = _CODES.get(row.state, OK)
            columns["model"][k] = self._models.setdefault(row.model, len(self._models))
            columns["features"][k] = len(row.values)
            if fresh:
                line = columns["spark"][k]
                line[:-1] = line[1:]
                line[-1] = columns["value"][k]

    def keep_only(self, names: set[str]) -> None:
        """Forget the series that Redis does not have any more."""
        if len(names) >= len(self._names) and names.issuperset(self._names):
            return
        kept = [k for k, name in enumerate(self._names) if name in names]
        for name, column in self._columns.items():
            self._columns[name] = column[kept]
        self._names = [self._names[k] for k in kept]
        self._lower = [self._lower[k] for k in kept]
        self._index = {name: k for k, name in enumerate(self._names)}

    def view(self, now: int) -> SeriesView:
        """Return a copy as of now."""
        n = len(self._names)
        copies = {name: column[:n].copy() for name, column in self._columns.items()}
        silent = (now - copies["written"] > self._silent_ms) & (copies["state"] != OPEN)
        copies["state"][silent] = SILENT
        return SeriesView(
            names=tuple(self._names),
            lower=tuple(self._lower),
            models=tuple(self._models),
            index=dict(self._index),
            **copies,
        )

    def _add(self, series: str) -> int:
        k = len(self._names)
        self._index[series] = k
        self._names.append(series)
        self._lower.append(series.lower())
        if k >= len(self._columns["ts"]):
            for name, column in self._columns.items():
                more = np.zeros((max(64, len(column)), *column.shape[1:]), column.dtype)
                if name == "spark":
                    more[:] = np.nan
                self._columns[name] = np.concatenate([column, more])
        self._columns["ts"][k] = -1
        self._columns["spark"][k] = np.nan
        return k
