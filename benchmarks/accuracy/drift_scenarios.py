"""Inject drifts of known kind into real series, with true anomalies before and after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eddy.models.core.detector import Floats, Ints, Series
from eddy.models.preprocessing.seasonality import usual_period
from eddy.training.data import datasets
from eddy.training.trainer.holdout_evaluation import inject

KINDS = ("level", "trend", "season", "variance", "regime")
SPEEDS = ("sudden", "gradual")
HEAD, DRIFT_AT = 0.4, 0.5  # shares of a series: the static model is fitted to the head; the drift begins at the other
_LONGEST_SEASON = 288
_MIN_ROWS = 1200


@dataclass(frozen=True)
class Base:
    """Hold a real series: name, times, (n,) values without gaps, points of a season, points a day."""

    name: str
    ts: Ints
    values: Floats
    season: int
    per_day: float


@dataclass(frozen=True)
class DriftScenario:
    """Hold a series with a drift and anomalies.

    Attributes:
        series: the whole series.
        head: rows that the first model is fitted to.
        drift, settled: rows at which the drift begins, and at which it is complete.
        events: (first, last) rows of true anomalies.
        season: points of a season.
        per_day: points of a day.
    """

    series: Series
    head: int
    drift: int
    settled: int
    events: list[tuple[int, int]]
    season: int
    per_day: float

    @property
    def recovered_by(self) -> int:
        """Return the first row of the third season after the drift."""
        return self.settled + 2 * self.season


def real_series(data: Path) -> Iterator[Base]:
    """Yield NAB's recordings of real systems under a folder."""
    for folder in sorted(data.glob("real*")):
        for file in sorted(folder.glob("*.csv")):
            (raw,) = datasets.load(file, form="nab").series
            order = np.argsort(raw.ts, kind="stable")
            values = raw.values[order, 0]
            if len(values) < _MIN_ROWS:
                continue
            ts = np.arange(len(values), dtype=np.int64) * int(np.median(np.diff(raw.ts[order])))
            head = Series(
                file.stem, ts[: int(HEAD * len(ts))], values[: int(HEAD * len(ts)), None], np.zeros(0, np.bool_)
            )
            season = min(usual_period([head], 48), _LONGEST_SEASON)
            yield Base(file.stem, ts, np.nan_to_num(values), season, 86_400_000 / int(ts[1]))


def scenario(base: Base, kind: str, speed: str, seed: int) -> DriftScenario:
    """Combine a base with one drift, and with spikes, shifts and bursts before and after it."""
    rng = np.random.default_rng(seed)
    n, season = len(base.values), base.season
    head, drift = int(HEAD * n), int(DRIFT_AT * n)
    length = 1 if speed == "sudden" else min(season, n // 10)
    share = np.clip((np.arange(n) - drift) / length, 0.0, 1.0)
    values = base.values * (1 - share) + _after(kind, base, head, rng) * share
    if kind == "trend":  # a ramp over one season or two, then the new level
        over = (1 if speed == "sudden" else 2) * min(season, n // 10)
        share = np.clip((np.arange(n) - drift) / over, 0.0, 1.0)
        values, length = base.values + _way(rng) * rng.uniform(2, 4) * _spread(base.values[:head]) * share, over
    settled = min(drift + length, n)
    events: list[tuple[int, int]] = []
    for part in (
        slice(head, drift),
        slice(settled, n),
    ):  # no anomalies while it drifts, since there it is unclear which are true
        one = Series(base.name, base.ts[part], values[part, None], np.zeros(part.stop - part.start, np.bool_))
        (changed,), found = inject([one], [0], 48, seed)
        values[part] = changed.values[:, 0]
        events += [(part.start + e.first, part.start + e.last) for e in found]
    series = Series(base.name, base.ts, values[:, None], np.zeros(n, np.bool_))
    return DriftScenario(series, head, drift, settled, events, season, base.per_day)


def _after(kind: str, base: Base, head: int, rng: np.random.Generator) -> Floats:
    """Return (n,) the series after the drift is complete."""
    values, n = base.values, len(base.values)
    spread, middle = _spread(values[:head]), float(np.median(values[:head]))
    if kind == "level":
        return values + _way(rng) * rng.uniform(1.5, 3) * spread
    if kind == "season":  # shifted to another time of the day, and twice the amplitude
        return middle + 2 * (np.roll(values, base.season // 2) - middle)
    if kind == "variance":
        return values + rng.normal(0, 0.5 * spread, n)
    # a new regime: mirrored, twice as fast, at another level
    fast = np.concatenate([values[::2], values[1::2]])[:n]
    return middle + _way(rng) * spread - 1.5 * (fast - middle)


def _spread(values: Floats) -> float:
    low, high = np.percentile(values, (5, 95))
    return float(high - low) or float(np.std(values)) or 1.0


def _way(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0
