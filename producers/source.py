"""Define a producer's source, which yields blocks of observations and knows nothing of Kafka."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError
from eddy.observation import Observations


class Sync(enum.Enum):
    """Ask, between two blocks, that all before be delivered before the source is resumed."""

    DELIVER = "deliver"


Blocks = Iterator[Observations | Sync]


class Source(Protocol):
    """Yield a stream of observations."""

    skipped: Skipped

    @property
    def total(self) -> int | None:
        """Return how many observations there will be, if that is known."""

    def blocks(self) -> Blocks:
        """Yield the observations in the order in which they are to be sent."""


@runtime_checkable
class Resumable(Protocol):
    """Remember the place in the stream, to go on from there."""

    def confirm(self, sent: int) -> None:
        """Take, at the end, the number of observations that have reached Kafka since the last :class:`Sync`."""


class Replay:
    """Replay a finite source without its first rows and, if asked for, repeatedly with event time moving on.

    Each round begins one usual interval after the end of the one before.
    """

    def __init__(self, source: Source, start_offset: int = 0, *, loop: bool = False) -> None:
        self.source = source
        self.start_offset = start_offset
        self.loop = loop
        self.skipped = source.skipped

    @property
    def total(self) -> int | None:
        if self.loop or self.source.total is None:
            return None
        return max(0, self.source.total - self.start_offset)

    def blocks(self) -> Blocks:
        shift = 0
        while True:
            first, last, step, left, seen = None, 0, 0, self.start_offset, 0
            for block in self.source.blocks():
                if isinstance(block, Sync):
                    yield block
                    continue
                seen += len(block)
                rest, left = block[min(left, len(block)) :], max(0, left - len(block))
                if not len(rest):
                    continue
                earliest, latest = int(rest.ts.min()), int(rest.ts.max())
                first, last = (earliest, latest) if first is None else (min(first, earliest), max(last, latest))
                step = step or usual_interval(rest)
                yield Observations(rest.names, rest.series, rest.ts + shift, rest.values, rest.features)
            if first is None:
                if seen:
                    raise DataError(f"start offset {self.start_offset} leaves nothing of {seen} rows; lower it")
                return
            if not self.loop:
                return
            shift += last - first + max(step, 1)


def usual_interval(block: Observations) -> int:
    """Return the most frequent time between two observations of one series, ms; 0 if no series has two."""
    order = np.lexsort((block.ts, block.series))
    series, ts = block.series[order], block.ts[order]
    steps = np.diff(ts)[(np.diff(series) == 0) & (np.diff(ts) > 0)]
    if not len(steps):
        return 0
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])
