"""Put the segments of a series together again: a long gap cuts it into several, and training counts them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.core.detector import Series

_SHOWN = 5  # names in a note


def by_name(series: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the segments of each series, in order of time; series in the order in which they first come."""
    found: dict[str, list[Series]] = {}
    for one in series:
        if len(one.ts):
            found.setdefault(one.name, []).append(one)
    return {name: sorted(own, key=lambda s: int(s.ts[0])) for name, own in found.items()}


def joined(segments: Sequence[Series]) -> Series:
    """Return all points of a series as one, with jumps in time where the segments end.

    Args:
        segments: of one series, in order of time.
    """
    parts = (np.concatenate([getattr(s, part) for s in segments]) for part in ("ts", "values", "imputed"))
    return Series(segments[0].name, *parts)


def measured(segments: Sequence[Series]) -> Series:
    """Return the measured points of a series as one: what a detector sees that takes one point at a time."""
    every = joined(segments)
    kept = ~every.imputed
    return Series(every.name, every.ts[kept], every.values[kept], every.imputed[kept])


def first_points(segments: Sequence[Series], count: int) -> list[Series]:
    """Return the segments up to a number of points in all; the last of them may be cut."""
    kept, left = list[Series](), count
    for s in segments:
        if left > 0:
            kept.append(Series(s.name, s.ts[:left], s.values[:left], s.imputed[:left]))
        left -= len(s.ts)
    return kept


def cut_in_half(segments: Sequence[Series]) -> tuple[list[Series], list[Series]]:
    """Return the first and the second half of a series' points, as segments."""
    first = first_points(segments, sum(len(s.ts) for s in segments) // 2)
    second, skip = list[Series](), sum(len(s.ts) for s in first)
    for s in segments:
        if skip < len(s.ts):
            at = max(skip, 0)
            second.append(Series(s.name, s.ts[at:], s.values[at:], s.imputed[at:]))
        skip -= len(s.ts)
    return first, second


def left_out_note(names: Sequence[str], reason: str) -> str:
    """Say in one sentence which series are left out of training and why, however many they are."""
    shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return f"{len(names)} series left out, {reason}: {shown}"
