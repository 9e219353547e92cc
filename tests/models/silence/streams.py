"""Times of events as they come outside: hours of business, shifts, weekends, random arrivals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from eddy.models.core.detector import Ints
from eddy.models.silence.kernel import AUTO
from eddy.models.silence.pauses import PauseTable, Silence

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2025, 1, 6)


def epoch(day: date, hour: float = 0, zone: ZoneInfo | None = None) -> int:
    """Return epoch ms of a time of day, in a zone or UTC."""
    clock = (datetime.combine(day, time()) + timedelta(hours=hour)).replace(tzinfo=zone or UTC)
    return round(clock.timestamp() * 1000)


def days(first: date, number: int) -> Iterator[date]:
    return (first + timedelta(days=k) for k in range(number))


def opening_hours(
    first: date,
    weeks: int,
    hours: Callable[[date], tuple[float, float] | None],
    zone: ZoneInfo | None = None,
    step: int = MINUTE,
) -> Ints:
    """Return an event every ``step`` ms while it is open; ``hours`` gives from and to of a day, None: closed."""
    spans = [(day, opened) for day in days(first, 7 * weeks) if (opened := hours(day)) is not None]
    return np.concatenate([np.arange(epoch(day, a, zone), epoch(day, b, zone), step) for day, (a, b) in spans])


def poisson(per_s: float, start: int, length: int, rng: np.random.Generator) -> Ints:
    """Return arrivals at random for ``length`` ms."""
    expected = per_s * length / 1000
    gaps = rng.exponential(1000 / per_s, int(expected + 8 * expected**0.5 + 50))
    times = start + np.cumsum(gaps)
    return times[times < start + length].astype(np.int64)


def silences(*series: Ints) -> list[Silence]:
    """Return the silences that the events of series end, each series by itself."""
    table = PauseTable()
    table.grow(len(series))
    table.add_feeds(len(series))
    table.bind(np.arange(len(series)), [AUTO] * len(series))
    return [
        one
        for row, ts in enumerate(series)
        for one in table.observe(np.full(len(ts), row), np.asarray(ts, np.int64), np.full(len(ts), row))
    ]
