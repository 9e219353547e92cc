"""Describe a data set before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from eddy.models.core.detector import Floats, Ints
from eddy.models.preprocessing.counters import FEW_RISES, is_counter
from eddy.training.data.datasets import Dataset, RawSeries

_MIN_SEASON = 0.3  # autocorrelation at the season's lag, after a linear trend is removed
_MIN_CYCLES = 3.0  # periods that the data must cover
_MAX_POINTS = 100_000  # used to find the season: enough for any, bounds the cost
_DAY_MS = 86_400_000
_PERIODS = {"hour": _DAY_MS // 24, "day": _DAY_MS, "week": 7 * _DAY_MS}


@dataclass(frozen=True)
class SeriesFindings:
    """Describe one series.

    Attributes:
        rows: as read; duplicates: rows that repeat a time; disordered: rows earlier than the one before.
        start, end: ISO-8601, UTC.
        interval_ms: the usual step; 0 with fewer than two times.
        gaps: places where points are missing from the regular grid; missing_points: number of missing points in all.
        features: per feature: missing values, minimum, maximum, mean, whether it is constant, whether it looks like a
            counter.
        season: of the first feature: ``hour``, ``day``, ``week`` or None; season_strength: autocorrelation at its lag.
    """

    name: str
    rows: int
    start: str
    end: str
    interval_ms: int
    gaps: int
    missing_points: int
    longest_gap: int
    duplicates: int
    disordered: int
    features: dict[str, dict[str, Any]]
    season: str | None
    season_strength: float


def inspect(data: Dataset) -> list[SeriesFindings]:
    """Describe each series, in the data's order."""
    return [_series(s, data.features) for s in data.series]


def _series(s: RawSeries, features: tuple[str, ...]) -> SeriesFindings:
    ts, first = np.unique(s.ts, return_index=True)
    steps = np.diff(ts)
    interval = int(np.median(steps)) if len(steps) else 0
    lacking = np.maximum(np.rint(steps / interval).astype(np.int64) - 1, 0) if interval else np.zeros(0, np.int64)
    season, strength = _season(ts, s.values[first, 0], interval)
    return SeriesFindings(
        s.name, len(s.ts), _iso(int(ts[0])), _iso(int(ts[-1])), interval,
        int((lacking > 0).sum()), int(lacking.sum()), int(lacking.max(initial=0)),
        len(s.ts) - len(ts), int((np.diff(s.ts) < 0).sum()),
        {name: _feature(s.values[:, i], s.values[first, i]) for i, name in enumerate(features)}, season, strength,
    )  # fmt: skip


def _feature(values: Floats, in_order: Floats) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    if not len(known):
        return {"missing": len(values), "min": None, "max": None, "mean": None, "constant": True, "counter": False}
    low, high = float(known.min()), float(known.max())
    missing = len(values) - len(known)
    mean, counter = float(known.mean()), is_counter(in_order, FEW_RISES)
    return {"missing": missing, "min": low, "max": high, "mean": mean, "constant": low == high, "counter": counter}


def _season(ts: Ints, values: Floats, interval: int) -> tuple[str | None, float]:
    """Return the strongest of hour, day and week, by its autocorrelation compared with that at half of its lag."""
    if not interval:
        return None, 0.0
    at = np.rint((ts - ts[0]) / interval).astype(np.int64)
    keep = (at < _MAX_POINTS) & ~np.isnan(values)
    if keep.sum() < 8:
        return None, 0.0
    grid = np.full(int(at[keep][-1]) + 1, np.nan)
    grid[at[keep]] = values[keep] - np.polyval(np.polyfit(at[keep], values[keep], 1), at[keep])
    best: tuple[str | None, float] = (None, 0.0)
    for name, period in _PERIODS.items():
        lag = round(period / interval)
        if lag < 4 or len(grid) < _MIN_CYCLES * lag:
            continue
        strength = _correlation(grid, lag)
        if strength > max(_MIN_SEASON, _correlation(grid, lag // 2), best[1]):
            best = (name, round(strength, 3))
    return best


def _correlation(grid: Floats, lag: int) -> float:
    a, b = grid[:-lag], grid[lag:]
    both = ~np.isnan(a) & ~np.isnan(b)
    a, b = a[both], b[both]
    if len(a) < 8 or a.std() < 1e-12 or b.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
