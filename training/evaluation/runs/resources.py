"""Measure the cost of a run: wall clock, and the memory that it adds to the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 0.02
_MB = 1e6


@dataclass
class Cost:
    """Hold ``seconds`` of wall clock and ``peak_mb``: highest resident memory above that at the start, sampled, MB."""

    seconds: float = 0.0
    peak_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure the block. Memory that an earlier block freed to the allocator and this one reuses is not counted."""
    cost, done = Cost(), threading.Event()
    process = psutil.Process()
    base = process.memory_info().rss

    def sample() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            cost.peak_mb = max(cost.peak_mb, (process.memory_info().rss - base) / _MB)

    watcher = threading.Thread(target=sample, daemon=True)
    watcher.start()
    began = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - began
        done.set()
        watcher.join()
