"""Generate taxi-like demand: counts with daily and weekly season; series differ in level, shape, drift and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddy.producers.incidents import FloatArray, Injector, IntArray

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday = 0

KINDS: tuple[str, ...] = ("spike", "drop", "level_shift", "volatility_shift", "season_break", "frozen")


@dataclass(frozen=True)
class Demand:
    """Hold clean demand. ``expected`` is the seasonal mean, ``values`` the counts that were observed around it."""

    expected: FloatArray
    values: FloatArray


def generate_demand(ts: IntArray, rng: np.random.Generator) -> Demand:
    """Generate one clean series at the times ``ts`` (epoch ms, regular): counts ≥ 0 as float64."""
    hour = (ts % DAY_MS) / HOUR_MS
    day = ts / DAY_MS
    weekend = _weekend_share((day + EPOCH_WEEKDAY) % 7)
    shape = (1 - weekend) * _weekday_shape(hour, rng) + weekend * _weekend_shape(hour, rng)
    of_week = 1 + rng.normal(0, 0.04, 7)
    of_week[5:] *= rng.uniform(0.75, 1.1)
    level = np.exp(rng.uniform(np.log(200), np.log(15_000)))
    days = np.arange(int(day[0]), int(day[-1]) + 1)
    # A weekly pattern is never exact: weather and events move whole days by a few per cent, and the level drifts.
    of_day = 1 + _autoregressive(len(days), 0.5, 0.025, rng) + np.cumsum(rng.normal(0, 0.002, len(days)))
    factor = of_week[(days + EPOCH_WEEKDAY) % 7] * of_day
    expected = level * shape * np.interp(day, days + 0.5, factor)  # from noon to noon: no step at midnight
    relative = _autoregressive(len(ts), 0.5, rng.uniform(0.02, 0.05), rng)
    counting = rng.standard_normal(len(ts)) * np.sqrt(expected)
    return Demand(expected, _counts(expected * (1 + relative) + counting))


def _counts(values: FloatArray) -> FloatArray:
    return np.asarray(np.rint(np.maximum(values, 0.0)))


def _bump(hour: FloatArray, centre: float, width: float) -> FloatArray:
    distance = (hour - centre + 12) % 24 - 12
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))


def _weekend_share(weekday: FloatArray) -> FloatArray:
    """Return 0 on weekdays, 1 at the weekend, and in between for some hours (``weekday``: days since Monday 00:00)."""
    from_midnight_to_sunday = np.abs((weekday - 6 + 3.5) % 7 - 3.5)
    return np.asarray(1 / (1 + np.exp((from_midnight_to_sunday - 1) * 24 / 1.5)))


def _weekday_shape(hour: FloatArray, rng: np.random.Generator) -> FloatArray:
    shift, morning, evening = rng.normal(0, 0.7), rng.uniform(0.4, 1.0), rng.uniform(0.7, 1.2)
    base = 0.18 + morning * _bump(hour, 8.5 + shift, 1.8) + 0.45 * _bump(hour, 13.5 + shift, 2.8)
    return np.asarray(base + evening * _bump(hour, 19 + shift, 2.6))


def _weekend_shape(hour: FloatArray, rng: np.random.Generator) -> FloatArray:
    shift, noon, night = rng.normal(0, 0.7), rng.uniform(0.5, 0.9), rng.uniform(0.5, 1.1)
    return np.asarray(0.2 + noon * _bump(hour, 14.5 + shift, 4.0) + night * _bump(hour, 22.5 + shift, 2.8))


def _autoregressive(count: int, memory: float, deviation: float, rng: np.random.Generator) -> FloatArray:
    """Generate AR(1) noise with the given stationary standard deviation."""
    steps = rng.normal(0, deviation * np.sqrt(1 - memory**2), count)
    values = np.empty(count)
    last = rng.normal(0, deviation)
    for i, step in enumerate(steps):
        last = memory * last + step
        values[i] = last
    return values


class DemandInjector(Injector):
    """Inject incidents into one demand series."""

    def __init__(self, demand: Demand, interval_ms: int) -> None:
        self.expected = demand.expected
        self.values = demand.values.copy()
        self.interval_ms = interval_ms
        self.mean = float(np.mean(demand.expected))

    def length(self, kind: str, rng: np.random.Generator) -> int:
        hours = {
            "spike": (1.0, 3.0),
            "drop": (2.0, 6.0),
            "level_shift": (30.0, 72.0),
            "volatility_shift": (24.0, 60.0),
            "season_break": (24.0, 48.0),
            "frozen": (12.0, 30.0),
        }[kind]
        return max(2, round(rng.uniform(*hours) * HOUR_MS / self.interval_ms))

    def visible(self, kind: str, start: int, length: int) -> bool:
        """Return whether an incident would show: a lost signal does only while there is demand, not at night."""
        return kind != "drop" or float(np.mean(self.expected[start : start + length])) >= self.mean

    def inject(self, kind: str, start: int, length: int, rng: np.random.Generator) -> None:
        part = slice(start, start + length)
        expected, seen = self.expected[part], self.values[part]
        changed: FloatArray
        if kind == "spike":
            profile = np.sin(np.pi * (np.arange(length) + 1) / (length + 1)) ** 0.5
            changed = seen + self.mean * rng.uniform(1.0, 1.8) * profile
        elif kind == "drop":
            changed = seen * rng.uniform(0.0, 0.15)
        elif kind == "level_shift":
            changed = seen * (rng.uniform(1.5, 1.9) if rng.random() < 0.5 else rng.uniform(0.35, 0.55))
        elif kind == "volatility_shift":
            changed = expected + (seen - expected) * rng.uniform(5.0, 7.0)
        elif kind == "season_break":
            by = round(rng.uniform(9, 15) * HOUR_MS / self.interval_ms)
            other = np.roll(self.expected, by)[part]
            changed = seen * other / expected if rng.random() < 0.6 else seen * self.mean / expected
        else:  # frozen: the sensor repeats its last reading
            changed = np.full(length, self.values[start - 1])
        self.values[part] = _counts(changed)
