"""Address all windows of the training series by index, so that a window is copied only when it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from eddy.errors import DataError
from eddy.models.core.detector import Bools, Floats, Ints, Series, WindowBatch, WindowSpec
from eddy.models.preprocessing.segments import left_out_note

MIN_WINDOWS = 32  # a series with fewer is left out of training
_MIN_OBSERVED = 0.5  # share of a window's points that must be measured
_CHUNK = 8192  # windows scored at once: bounds the memory of long windows


@dataclass(frozen=True)
class FitWindows:
    """Hold the points and window positions of several series.

    Attributes:
        window: points per window.
        names: series that are used; a series cut into several segments counts once.
        segments: the used segments, in the order of their points below.
        ts, values, imputed: (T,), (T, F), (T,) all points one after the other.
        starts: (N,) first point of each window.
        series: (N,) index into ``names``.
        validation: (N,) True where the newest point lies in the last part of its series.
        notes: which series were left out, as sentences.
    """

    window: int
    names: tuple[str, ...]
    segments: tuple[Series, ...]
    ts: Ints
    values: Floats
    imputed: Bools
    starts: Ints
    series: Ints
    validation: Bools
    notes: tuple[str, ...]

    @classmethod
    def cut(cls, series: Sequence[Series], spec: WindowSpec, validation_share: float) -> FitWindows:
        """Find the windows whose newest point was measured and that are not mostly missing.

        Raises:
            DataError: no series has enough windows; names the best one, what was found and what is needed.
        """
        by_name: dict[str, list[Series]] = {}
        for segment in series:
            by_name.setdefault(segment.name, []).append(segment)
        usable = {name: [_ends(s, spec.window) for s in parts] for name, parts in by_name.items()}
        count = {name: sum(len(ends) for ends in found) for name, found in usable.items()}
        names = tuple(name for name in by_name if count[name] >= MIN_WINDOWS)
        if not names:
            raise _too_short(by_name, count, spec.window)
        left_out = [name for name in by_name if name not in names]
        reason = f"fewer than {spec.window + MIN_WINDOWS - 1} usable points"
        notes = (left_out_note(left_out, reason),) if left_out else ()
        segments = tuple(s for name in names for s in by_name[name])
        offsets = np.concatenate([[0], np.cumsum([len(s.ts) for s in segments])])
        starts, owner, held_out = [], [], []
        at = 0
        for index, name in enumerate(names):
            total = count[name]
            ends = [e + offsets[at + i] for i, e in enumerate(usable[name])]
            at += len(ends)
            starts.append(np.concatenate(ends) - spec.window + 1)
            owner.append(np.full(total, index))
            held_out.append(np.arange(total) >= total - round(validation_share * total))
        return cls(
            spec.window, names, segments,
            np.concatenate([s.ts for s in segments]),
            np.concatenate([s.values for s in segments]),
            np.concatenate([s.imputed for s in segments]),
            np.concatenate(starts), np.concatenate(owner).astype(np.int64), np.concatenate(held_out), notes,
        )  # fmt: skip

    @property
    def span_ms(self) -> int:
        """Return the longest time, in ms, that one series covers."""
        ends = {name: [s for s in self.segments if s.name == name] for name in self.names}
        return max(int(parts[-1].ts[-1] - parts[0].ts[0]) for parts in ends.values())

    @property
    def newest(self) -> Ints:
        """Return (N,) the index of each window's newest point."""
        return self.starts + self.window - 1

    def batches(self, rows: Ints, binding: Ints) -> Iterator[tuple[Ints, WindowBatch]]:
        """Yield the windows ``rows`` in chunks, as (rows, batch); ``binding`` has one entry per name."""
        offsets = np.arange(self.window)
        for begin in range(0, len(rows), _CHUNK):
            part = rows[begin : begin + _CHUNK]
            at = self.starts[part][:, None] + offsets
            yield part, WindowBatch(
                self.values[at], self.imputed[at], self.ts[at[:, -1]], binding[self.series[part]],
                np.zeros((len(part), 0)),
            )  # fmt: skip

    def by_series(self, rows: Ints, scores: Floats) -> dict[str, Floats]:
        """Return the finite scores of the windows ``rows`` per series name, in order of time."""
        finite = np.isfinite(scores)
        owner, kept = self.series[rows][finite], scores[finite]
        return {name: kept[owner == index] for index, name in enumerate(self.names)}


def _ends(s: Series, window: int) -> Ints:
    """Return (n,) the newest points of one segment's usable windows."""
    if len(s.ts) < window:
        return np.zeros(0, np.int64)
    there = ~np.isnan(s.values).all(axis=1) & ~s.imputed
    seen = np.concatenate([[0], np.cumsum(there)])
    inside = seen[window:] - seen[:-window]
    return np.flatnonzero((inside >= _MIN_OBSERVED * window) & there[window - 1 :]) + window - 1


def _too_short(by_name: dict[str, list[Series]], count: dict[str, int], window: int) -> DataError:
    if not by_name:
        return DataError("training data: no series found; check the path, the column names and the series pattern")
    name = max(by_name, key=lambda n: (count[n], sum(len(s.ts) for s in by_name[n])))
    points = sum(len(s.ts) for s in by_name[name])
    there = sum(int((~np.isnan(s.values).all(axis=1) & ~s.imputed).sum()) for s in by_name[name])
    return DataError(
        f"series {name!r}: found {points} points ({there} with a value), needed at least {window + MIN_WINDOWS - 1} "
        f"in one segment for windows of {window}: give more data or a smaller window"
    )
