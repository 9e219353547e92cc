"""Sample CPU time and memory of the stack's processes, including Flink's Python workers."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

import numpy as np
import psutil

from eddy.stack.local import Stack

EVERY_SECONDS = 0.5
MIN_SAMPLES = 6  # a line through fewer is not meaningful


def role(process: psutil.Process) -> str:
    """Return the role of a process, by its command line."""
    line = " ".join(process.cmdline())
    for mark, name in (
        ("beam_boot", "python worker"),
        ("kafka.Kafka", "kafka"),
        ("StandaloneSession", "jobmanager"),
        ("TaskManagerRunner", "taskmanager"),
        ("redis-server", "redis"),
    ):
        if mark in line:
            return name
    return "other"


class ProcessSampler:
    """Sample a stack's processes in a thread: peaks and growth of memory, and CPU seconds between two marks."""

    def __init__(self, stack: Stack) -> None:
        self._roots = [s.pid for s in stack.status() if s.pid]
        self.peak_mb: dict[str, float] = defaultdict(float)
        self._cpu: dict[tuple[int, str], float] = {}
        self._memory: dict[str, list[tuple[float, float]]] = defaultdict(list)  # (minutes, MB) of each role
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cpu(self) -> dict[str, float]:
        """Return CPU seconds of each role so far."""
        total: dict[str, float] = defaultdict(float)
        for (_, name), seconds in dict(self._cpu).items():
            total[name] += seconds
        return dict(total)

    def mb_per_minute(self, since: float) -> dict[str, float]:
        """Return the growth of each role's memory since a time (``time.monotonic``), by a straight line."""
        slopes = {}
        for name, samples in self._memory.items():
            late = np.array([sample for sample in samples if sample[0] >= since / 60])
            if len(late) >= MIN_SAMPLES:
                slopes[name] = float(np.polyfit(late[:, 0] - late[0, 0], late[:, 1], 1)[0])
        return slopes

    def newest_mb(self) -> dict[str, float]:
        """Return the memory of each role now."""
        return {name: samples[-1][1] for name, samples in self._memory.items()}

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            memory: dict[str, float] = defaultdict(float)
            for root in self._roots:
                try:
                    top = psutil.Process(root)
                    for process in (top, *top.children(recursive=True)):
                        times = process.cpu_times()
                        name = role(process)
                        self._cpu[process.pid, name] = times.user + times.system
                        memory[name] += process.memory_info().rss / 1e6
                except psutil.Error:
                    continue
            for name, size in memory.items():
                self._memory[name].append((time.monotonic() / 60, size))
                self.peak_mb[name] = max(self.peak_mb[name], size)
