"""Split a batch into rounds, so that what keeps state per series sees each series' windows one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eddy.models.core.detector import Ints


def split_by_occurrence(rows: Ints) -> Iterator[Ints]:
    """Split a batch into rounds in which each row occurs at most once, earlier occurrences first."""
    if not len(rows):
        return
    order = np.argsort(rows, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(rows[order]) != 0])
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(first, np.diff(np.r_[first, len(rows)]))
    by_rank = np.argsort(rank, kind="stable")
    yield from np.split(by_rank, np.flatnonzero(np.diff(rank[by_rank])) + 1)
