"""Sample CPU time and memory of process trees over time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import psutil

EVERY_SECONDS = 0.5


class Usage:
    """Sample the trees below some processes until it is closed."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = list(roots)
        self._cpu: dict[int, float] = {}
        self._samples: list[tuple[float, float]] = []
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._sample()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def cpu_between(self, first: float, last: float) -> float:
        """Return CPU seconds used between two times (seconds since the epoch)."""
        times, used = np.array(self._samples).T
        return float(np.interp(last, times, used) - np.interp(first, times, used))

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self._sample()

    def _sample(self) -> None:
        memory = 0.0
        for root in self._roots:
            try:
                top = psutil.Process(root)
                tree = [top, *top.children(recursive=True)]
            except psutil.Error:
                continue
            for process in tree:
                try:
                    times = process.cpu_times()
                    self._cpu[process.pid] = times.user + times.system
                    memory += process.memory_info().rss / 1e6
                except psutil.Error:
                    continue
        self.peak_mb = max(self.peak_mb, memory)
        self._samples.append((time.time(), sum(self._cpu.values())))
