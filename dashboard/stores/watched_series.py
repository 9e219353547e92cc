"""Keep the points of the series that browsers show now: any browser asks for them, the collector thread fills them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from eddy.dashboard.records import Floats, Ints, ScoredPoint
from eddy.dashboard.stores.points import (
    PER_FEATURE,
    PER_POINT,
    Columns,
    Growing,
    ScoredPoints,
    SeriesPoints,
    scored_points,
)

_MAX_SERIES = 256
_MAX_UNKNOWN = 8  # names among them that no source knows: an address may hold any name
_FORGET_SECONDS = 600.0  # after nobody has asked for it


@dataclass
class _Watched:
    asked: float
    known: bool = True
    #: by model: features, those of them that are counters, points
    scored: dict[str, tuple[tuple[str, ...], tuple[str, ...], Growing]] = field(default_factory=dict)
    raw: tuple[tuple[str, ...], Growing] | None = None
    late: tuple[tuple[str, ...], Columns] | None = None
    loaded: bool = False
    history: float = 0.0


class WatchedSeries:
    """Keep the points of the watched series.

    Args:
        max_points: in memory, of all series; beyond, those asked for longest ago are forgotten.
    """

    def __init__(self, max_points: int) -> None:
        self._max_points = max_points
        self._series: dict[str, _Watched] = {}
        self._views: dict[str, SeriesPoints] = {}
        self._changed = threading.Condition()
        self.requested = threading.Event()  # a browser asks for a series that has not been loaded

    def ask(self, series: str, wait_seconds: float = 0.0, known: bool = True) -> SeriesPoints:
        """Return a series' points and keep them coming; wait a moment for one not loaded yet. Any thread may call.

        Args:
            series: its id.
            wait_seconds: how long to wait for the first points.
            known: whether a source knows the series; of others only the few asked for last are looked for.
        """
        with self._changed:
            watched = self._series.get(series)
            if watched is None:
                self._series[series] = _Watched(time.monotonic(), known)
                self._bound_unknown()
                self.requested.set()
            else:
                watched.asked = time.monotonic()
                watched.known = watched.known or known
            if wait_seconds:
                self._changed.wait_for(lambda: series in self._views, wait_seconds)
            return self._views.get(series) or SeriesPoints(series)

    def _bound_unknown(self) -> None:
        unknown = sorted((one.asked, name) for name, one in self._series.items() if not one.known)
        for _, name in unknown[:-_MAX_UNKNOWN]:
            del self._series[name]
            self._views.pop(name, None)

    # -- the collector thread ----------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the watched series, after forgetting those that nobody asks for any more."""
        with self._changed:
            now = time.monotonic()
            by_age = sorted(self._series, key=lambda name: -self._series[name].asked)
            points = 0
            for rank, name in enumerate(by_age):
                points += self._points(self._series[name])
                old = now - self._series[name].asked > _FORGET_SECONDS
                if rank and (old or rank >= _MAX_SERIES or points > self._max_points):
                    del self._series[name]
                    self._views.pop(name, None)
            return list(self._series)

    def is_known(self, series: str) -> bool:
        """Return whether a source knows a watched series."""
        watched = self._series.get(series)
        return watched is not None and watched.known

    def newest(self, series: str) -> dict[str, int]:
        """Return the time of the newest point, by model."""
        known = self._series.get(series)
        return {model: table.newest for model, (_, _, table) in known.scored.items()} if known else {}

    def add_scored(self, series: str, found: Mapping[str, list[ScoredPoint]]) -> None:
        """Add new points from Redis, by model."""
        known = self._series.get(series)
        if known is None:
            return
        known.loaded = True
        for model, rows in found.items():
            if not rows:
                continue
            features, increases = tuple(rows[-1].values), rows[-1].increases
            table = known.scored.get(model)
            # Another version of the model has other features; what turns out to be a counter is scored otherwise.
            if table is None or table[:2] != (features, increases):
                width = len(features) * len(PER_FEATURE) + len(PER_POINT)
                table = known.scored[model] = (features, increases, Growing(width))
            table[2].add(*scored_points(features, [row for row in rows if row.increases == increases]))

    def add_raw(self, series: str, ts: Ints, features: tuple[str, ...], data: Floats) -> None:
        """Add observations from Kafka."""
        known = self._series.get(series)
        if known is None or sum(self._points(one) for one in self._series.values()) > self._max_points:
            return
        if known.raw is None:
            known.raw = (features, Growing(len(features)))
        own, table = known.raw
        if own != features:
            placed = np.full((len(ts), len(own)), np.nan)
            for k, name in enumerate(own):
                if name in features:
                    placed[:, k] = data[:, features.index(name)]
            data = placed
        table.add(ts, data)

    def set_late(self, series: str, late: tuple[tuple[str, ...], Columns] | None, history: float) -> None:
        """Set the late points, and the share of the history that has been read."""
        if known := self._series.get(series):
            known.late, known.history = late, history

    def publish(self) -> None:
        """Let readers see the added points."""
        with self._changed:
            for series, known in self._series.items():
                if known.loaded or known.raw is not None:
                    self._views[series] = SeriesPoints(
                        series=series,
                        scored={
                            model: ScoredPoints(features, table.columns(), increases)
                            for model, (features, increases, table) in known.scored.items()
                        },
                        raw_features=known.raw[0] if known.raw else (),
                        raw=known.raw[1].columns() if known.raw else None,
                        late=known.late[1] if known.late else None,
                        loaded=known.loaded,
                        history=known.history,
                    )
            self._changed.notify_all()

    def _points(self, known: _Watched) -> int:
        count = sum(len(table) for *_, table in known.scored.values())
        return count + (len(known.raw[1]) if known.raw else 0)
