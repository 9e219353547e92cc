"""Format numbers and times for people."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NOTHING = "–"


def number(value: float | None, digits: int = 4) -> str:
    """Format a number with thousands separators and at most ``digits`` significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:,.{digits}g}"


def count(value: float) -> str:
    """Format a count briefly: 950, 12.3 k, 4.56 M."""
    if not math.isfinite(value):
        return NOTHING
    for limit, divisor, unit in ((1e4, 1, ""), (1e6, 1e3, " k"), (1e9, 1e6, " M"), (math.inf, 1e9, " G")):
        if abs(value) < limit:
            return f"{value:,.0f}" if divisor == 1 else f"{value / divisor:.3g}{unit}"
    return NOTHING


def size(count_of_bytes: float) -> str:
    """Format a number of bytes briefly."""
    for unit in ("B", "kB", "MB", "GB"):
        if count_of_bytes < 1000 or unit == "GB":
            return f"{count_of_bytes:.3g} {unit}"
        count_of_bytes /= 1000
    return NOTHING


def moment(ms: int | None) -> str:
    """Format a time as UTC, to the second. The date is always there: without today's, columns would be ragged."""
    if ms is None or ms < 0:
        return NOTHING
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return NOTHING


def span(ms: float) -> str:
    """Format a length of time in its two largest units."""
    seconds = max(0, int(ms // 1000))
    if seconds < 60:
        return f"{seconds} s"
    parts = []
    for name, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        whole, seconds = divmod(seconds, length)
        if whole:
            parts.append(f"{whole} {name}")
    if seconds and len(parts) == 1 and parts[0].endswith("min"):
        parts.append(f"{seconds} s")
    return " ".join(parts[:2])
