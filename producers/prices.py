"""Generate market-like prices: random walks with volatility clusters, into which incidents are injected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.producers.incidents import FloatArray, Injector, IntArray

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TICK = 0.01  # the smallest price step

# GARCH(1,1): how far a surprise moves the next variance, and how slowly that fades. Persistence 0.95.
SURPRISE, MEMORY = 0.05, 0.90
#: Draws beyond this many deviations are cut: such a bar would be an incident without a label.
LARGEST_DRAW = 5.0

KINDS: tuple[str, ...] = ("spike", "drop", "level_shift", "volatility_shift", "frozen")


@dataclass(frozen=True)
class Prices:
    """Hold clean prices. ``returns`` are log returns, ``deviation`` their local standard deviation."""

    start: float
    returns: FloatArray
    deviation: FloatArray


def generate_prices(ts: IntArray, rng: np.random.Generator) -> Prices:
    """Generate one clean random walk at the times ``ts`` (epoch ms, regular)."""
    interval_ms = float(ts[1] - ts[0]) if len(ts) > 1 else 60_000.0
    daily = rng.uniform(0.008, 0.02)  # standard deviation of a day's log return
    usual = daily * np.sqrt(interval_ms / DAY_MS)
    draws = np.clip(rng.standard_normal(len(ts)), -LARGEST_DRAW, LARGEST_DRAW)
    returns, deviation = np.empty(len(ts)), np.empty(len(ts))
    variance = usual**2
    for i, draw in enumerate(draws):
        deviation[i] = np.sqrt(variance)
        returns[i] = deviation[i] * draw
        variance = (1 - SURPRISE - MEMORY) * usual**2 + SURPRISE * returns[i] ** 2 + MEMORY * variance
    # Trading is busier around the openings: volatility follows the hour of the day a little.
    busy = 1 + 0.25 * np.sin(2 * np.pi * (ts % DAY_MS) / DAY_MS + rng.uniform(0, 2 * np.pi))
    return Prices(float(np.exp(rng.uniform(np.log(20), np.log(800)))), returns * busy, deviation * busy)


class PriceInjector(Injector):
    """Inject incidents into one price series. Read the result from ``values`` after all of them."""

    def __init__(self, prices: Prices, interval_ms: int) -> None:
        self.start = prices.start
        self.returns = prices.returns.copy()
        self.deviation = prices.deviation
        self.interval_ms = interval_ms
        self.overlays: list[tuple[str, slice, float]] = []  # bad ticks and frozen feeds hide the walk, not change it

    @property
    def values(self) -> FloatArray:  # type: ignore[override]
        """Return the prices with everything injected so far."""
        walk = self.start * np.exp(np.cumsum(self.returns))
        for kind, part, size in self.overlays:
            walk[part] = walk[part.start - 1] if kind == "frozen" else walk[part] * np.exp(size)
        return np.asarray(np.maximum(np.rint(walk / TICK), 1) * TICK).round(2)

    def length(self, kind: str, rng: np.random.Generator) -> int:
        if kind in ("spike", "drop"):
            return int(rng.integers(1, 4))
        hours = {"level_shift": (1.0, 1.0), "volatility_shift": (6.0, 24.0), "frozen": (3.0, 12.0)}[kind]
        return max(2, round(rng.uniform(*hours) * HOUR_MS / self.interval_ms))

    def inject(self, kind: str, start: int, length: int, rng: np.random.Generator) -> None:
        part = slice(start, start + length)
        local = float(self.deviation[start])
        if kind == "spike":
            self.overlays.append((kind, part, local * rng.uniform(15, 25)))
        elif kind == "drop":
            self.overlays.append((kind, part, -local * rng.uniform(15, 25)))
        elif kind == "level_shift":
            # The price jumps within one or two bars and stays; the label covers the hour in which it is news.
            bars = int(rng.integers(1, 3))
            jump = local * rng.uniform(15, 25) * rng.choice([-1.0, 1.0])
            self.returns[start : start + bars] += jump / bars
        elif kind == "volatility_shift":
            self.returns[part] *= rng.uniform(4.0, 6.0)
        else:
            self.overlays.append((kind, part, 0.0))
