"""Generate the demo's stream: many series with a clean part for training and a live part with labelled incidents.

Deterministic under a seed. The data is meant to be realistic, not easy: days differ, levels drift, volatility
clusters, and where and when something happens is random. The incidents are strong enough that someone who knows
the series would see them; nothing is chosen to suit a detector.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from eddy.csv_files.skipped import Skipped
from eddy.observation import Observations
from eddy.producers import demand, prices
from eddy.producers.incidents import FloatArray, Incident, IntArray, inject_incidents
from eddy.producers.labels import Label, read_labels, write_labels
from eddy.producers.source import Blocks

__all__ = [
    "Label",
    "Live",
    "Series",
    "SyntheticSource",
    "SyntheticStream",
    "generate",
    "generate_small",
    "market_stream",
    "read_labels",
    "write_labels",
    "write_train_csv",
]

DAY_MS = 86_400_000
_MINUTE_MS = 60_000
START_MS = 1_735_689_600_000 + 5 * DAY_MS  # Monday 6 January 2025, 00:00 UTC
TAXI_INTERVAL_MS = 30 * 60_000
MARKET_INTERVAL_MS = 10 * 60_000
DEFAULT_SEED = 7


@dataclass(frozen=True)
class Series:
    """Hold one series: ``ts`` int64 epoch ms, ascending, and ``values`` float64."""

    ts: IntArray
    values: FloatArray


@dataclass(frozen=True)
class Live:
    """Hold events of all series in order of event time: ``series`` indexes :attr:`SyntheticStream.names`."""

    series: npt.NDArray[np.int32]
    ts: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True)
class SyntheticStream:
    """Hold a labelled stream.

    Attributes:
        seed: everything random follows from it.
        names: series ids; ``taxi-000`` … then ``market-000`` ….
        train: the clean part of each series.
        live: the events that follow it, with incidents.
        labels: the incidents, by series and start.
        intervals: time between two points of a series, ms.
    """

    seed: int
    names: tuple[str, ...]
    train: Mapping[str, Series]
    live: Live
    labels: tuple[Label, ...]
    intervals: Mapping[str, int]

    def live_series(self, name: str) -> Series:
        """Return the live part of one series."""
        own = self.live.series == self.names.index(name)
        return Series(self.live.ts[own], self.live.values[own])

    def train_events(self) -> Live:
        """Return the clean part as events in order of event time."""
        return _merged([self.train[name] for name in self.names])


def generate(
    seed: int = DEFAULT_SEED,
    *,
    taxi: int = 60,
    market: int = 12,
    train_days: int = 28,
    live_days: int = 28,
    lead_in_days: float = 7,
    taxi_incidents: int = 84,
    market_incidents: int = 36,
    gap_days: float = 2,
    taxi_interval_ms: int = TAXI_INTERVAL_MS,
    market_interval_ms: int = MARKET_INTERVAL_MS,
    start_ms: int = START_MS,
) -> SyntheticStream:
    """Generate the stream; with the defaults 72 series, 129,024 live events and 120 incidents.

    Args:
        seed: everything random follows from it.
        taxi: taxi-like series (demand with daily and weekly season, half-hourly).
        market: market-like series (prices, every ten minutes, around the clock).
        train_days: length of the clean part.
        live_days: length of the part with incidents.
        lead_in_days: clean start of the live part, so that weekly windows are full when something happens.
        taxi_incidents: incidents in all taxi-like series together.
        market_incidents: incidents in all market-like series together.
        gap_days: clean time between two incidents of one series.
        taxi_interval_ms: time between two points of a taxi-like series.
        market_interval_ms: time between two points of a market-like series.
        start_ms: time of the first point.

    Raises:
        DataError: there is no room for so many incidents.
    """
    rng = np.random.default_rng(seed)
    split = start_ms + train_days * DAY_MS
    earliest, end = split + int(lead_in_days * DAY_MS), split + live_days * DAY_MS
    series: list[Series] = []
    names: list[str] = []
    labels: list[Label] = []
    intervals: dict[str, int] = {}
    for group, count, incidents, interval in (
        ("taxi", taxi, taxi_incidents, taxi_interval_ms),
        ("market", market, market_incidents, market_interval_ms),
    ):
        ts = np.arange(start_ms, end, interval, dtype=np.int64)
        own = [f"{group}-{i:03d}" for i in range(count)]
        values, found = _group(
            group,
            ts,
            count,
            incidents,
            int(np.searchsorted(ts, earliest)),
            max(1, round(gap_days * DAY_MS / interval)),
            rng,
        )
        series += [Series(ts, v) for v in values]
        labels += [Label(own[i.series], int(ts[i.start]), int(ts[i.end]), i.kind) for i in found]
        intervals |= dict.fromkeys(own, interval)
        names += own
    train = {n: Series(s.ts[s.ts < split], s.values[s.ts < split]) for n, s in zip(names, series, strict=True)}
    live = _merged([Series(s.ts[s.ts >= split], s.values[s.ts >= split]) for s in series])
    return SyntheticStream(seed, tuple(names), train, live, tuple(labels), intervals)


def generate_small(seed: int = DEFAULT_SEED) -> SyntheticStream:
    """Generate a stream for tests: the same form, 6 series, about 8,000 live events, 8 incidents, in milliseconds."""
    return generate(
        seed, taxi=4, market=2, train_days=14, live_days=14, lead_in_days=3, taxi_incidents=5, market_incidents=3
    )


def blocks(live: Live, size: int = 8192) -> Iterator[Live]:
    """Yield the events in pieces of at most ``size``."""
    for at in range(0, len(live), size):
        part = slice(at, at + size)
        yield Live(live.series[part], live.ts[part], live.values[part])


def _group(
    group: str, ts: IntArray, count: int, incidents: int, first: int, gap: int, rng: np.random.Generator
) -> tuple[list[FloatArray], list[Incident]]:
    interval = int(ts[1] - ts[0])
    injectors: list[demand.DemandInjector] | list[prices.PriceInjector]
    if group == "taxi":
        injectors = [demand.DemandInjector(demand.generate_demand(ts, r), interval) for r in rng.spawn(count)]
        kinds = demand.KINDS
    else:
        injectors = [prices.PriceInjector(prices.generate_prices(ts, r), interval) for r in rng.spawn(count)]
        kinds = prices.KINDS
    # The last incident leaves its series a day to return to normal, so that its end can be seen too.
    last = len(ts) - 1 - max(1, DAY_MS // interval)
    found = inject_incidents(injectors, kinds, incidents if count else 0, first, last, gap, rng)
    return [i.values for i in injectors], found


def _merged(series: list[Series]) -> Live:
    if not series:
        return Live(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))
    number = np.repeat(np.arange(len(series), dtype=np.int32), [len(s.ts) for s in series])
    ts = np.concatenate([s.ts for s in series])
    order = np.argsort(ts, kind="stable")
    return Live(number[order], ts[order], np.concatenate([s.values for s in series])[order])


class SyntheticSource:
    """Read the live part (or the clean part) of a stream as a source."""

    def __init__(self, stream: SyntheticStream, part: Literal["live", "train", "all"] = "live") -> None:
        self.skipped = Skipped()
        self.names = stream.names
        parts = {
            "live": [stream.live],
            "train": [stream.train_events()],
            "all": [stream.train_events(), stream.live],
        }[part]
        self.parts = parts

    @property
    def total(self) -> int | None:
        return sum(len(part) for part in self.parts)

    def blocks(self) -> Blocks:
        for part in self.parts:
            for block in blocks(part):
                yield Observations(self.names, block.series, block.ts, block.values[:, np.newaxis])


def market_stream(
    seed: int,
    *,
    series: int = 12,
    days: int = 28,
    clean_days: int = 7,
    incidents: int = 36,
    interval_minutes: float = 10,
    start_ms: int = START_MS,
) -> SyntheticStream:
    """Generate market prices around the clock: ``clean_days`` without incidents, then the rest of ``days`` with them.

    Raises:
        DataError: there is no room for so many incidents.
    """
    return generate(
        seed,
        taxi=0,
        market=series,
        train_days=clean_days,
        live_days=days - clean_days,
        lead_in_days=0.25,
        market_incidents=incidents,
        market_interval_ms=round(interval_minutes * _MINUTE_MS),
        start_ms=start_ms,
    )


def write_train_csv(path: Path, stream: SyntheticStream) -> int:
    """Write the clean part as CSV, ``series,timestamp,value`` with times in UTC, to train on; return how many rows."""
    rows = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("series", "timestamp", "value"))
        for name, series in stream.train.items():
            times = np.datetime_as_string(series.ts.astype("datetime64[ms]"), unit="s", timezone="UTC")
            writer.writerows((name, t, v) for t, v in zip(times.tolist(), series.values.tolist(), strict=True))
            rows += len(times)
    return rows
