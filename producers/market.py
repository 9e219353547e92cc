"""Generate synthetic market prices with known jumps, bad ticks, frozen feeds and volatility shifts."""

from __future__ import annotations

from eddy.producers.synthetic import START_MS, SyntheticStream, generate

MINUTE_MS = 60_000


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
    """Generate prices around the clock: ``clean_days`` without incidents, then the rest of ``days`` with them.

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
        market_interval_ms=round(interval_minutes * MINUTE_MS),
        start_ms=start_ms,
    )
