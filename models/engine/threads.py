"""Score the windows of one batch on several cores, with detectors whose compiled kernels release the GIL.

Scores do not depend on how windows are grouped (:meth:`eddy.models.core.detector.Detector.score`), so neither do they
on threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np

from eddy.models.core.detector import Detector, Floats, WindowBatch

MIN_WINDOWS = 64  # windows that are worth a thread: a block of the LSTM's kernel


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score(detector: Detector, batch: WindowBatch, threads: int) -> Floats:
    """Return the (n,) scores of a detector without state.

    Args:
        detector: whose windows they are.
        batch: the windows.
        threads: cores to use at most, this thread's included.
    """
    parts = min(threads, len(batch) // MIN_WINDOWS) if detector.releases_gil else 1
    if parts < 2:
        return detector.score(batch)
    cuts = np.linspace(0, len(batch), parts + 1).astype(int).tolist()
    own, *others = (_part(batch, slice(a, b)) for a, b in pairwise(cuts))
    running = [_pool(threads).submit(detector.score, part) for part in others]
    return np.concatenate([detector.score(own), *(one.result() for one in running)])


def _part(batch: WindowBatch, rows: slice) -> WindowBatch:
    return WindowBatch(batch.values[rows], batch.imputed[rows], batch.end[rows], batch.binding[rows], batch.state[rows])


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the pool that all shards of a worker share: they score one after the other."""
    return ThreadPoolExecutor(threads - 1, "scoring")
