"""Put the stretches of a series together again: a long gap cuts it into several, and training counts them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eddy.models.core.detector import Bools, Series

_SHOWN = 5  # names in a note


def by_name(series: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the stretches of each series, in order of time; series in the order in which they first come."""
    found: dict[str, list[Series]] = {}
    for one in series:
        if len(one.ts):
            found.setdefault(one.name, []).append(one)
    return {name: sorted(own, key=lambda s: int(s.ts[0])) for name, own in found.items()}


def measured(stretches: Sequence[Series]) -> Series:
    """Return the measured points of a series as one: what a detector sees that takes one point at a time.

    Args:
        stretches: of one series, in order of time.
    """
    kept: list[Bools] = [~s.imputed for s in stretches]
    ts = np.concatenate([s.ts[k] for s, k in zip(stretches, kept, strict=True)])
    values = np.concatenate([s.values[k] for s, k in zip(stretches, kept, strict=True)])
    return Series(stretches[0].name, ts, values, np.zeros(len(ts), np.bool_))


def cut_in_half(stretches: Sequence[Series]) -> tuple[list[Series], list[Series]]:
    """Return the first and the second half of a series' points, as stretches."""
    half = sum(len(s.ts) for s in stretches) // 2
    halves: tuple[list[Series], list[Series]] = ([], [])
    at = 0
    for s in stretches:
        cut = min(max(half - at, 0), len(s.ts))
        at += len(s.ts)
        for into, part in zip(halves, (slice(0, cut), slice(cut, None)), strict=True):
            if len(s.ts[part]):
                into.append(Series(s.name, s.ts[part], s.values[part], s.imputed[part]))
    return halves


def left_out_note(names: Sequence[str], reason: str) -> str:
    """Say in one sentence which series are left out of training and why, however many they are."""
    shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return f"{len(names)} series left out, {reason}: {shown}"
