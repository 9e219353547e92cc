"""Sample the memory of the stack's processes over time, and the live memory of the JVMs.

A JVM's resident memory is not informative: it fills its heap up to its limit before it collects. So each JVM is asked
now and then to collect (``jcmd GC.run``), and the rest is recorded separately: heap in use, metaspace, and resident
memory outside the heap (code, threads, network buffers, RocksDB).
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.measuring.processes import role
from eddy.stack.process import marked

EVERY_SECONDS = 5.0
COLLECT_EVERY_SECONDS = 60.0
JCMD_SECONDS = 20
JVMS = {"kafka", "jobmanager", "taskmanager"}
KIB, MB = 1024, 1e6
_HEAP_USED = re.compile(r"^ .*total \d+K, used (\d+)K", re.MULTILINE)
_METASPACE = re.compile(r"Metaspace +used (\d+)K")
_BOUNDS = re.compile(r"0x[0-9a-f]{8,}")
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) ")

Samples = dict[str, list[tuple[float, float]]]  # part -> (minutes, MB)


@dataclass(frozen=True)
class Alive:
    """Hold the memory of a JVM just after a collection, MB."""

    heap: float
    metaspace: float
    outside: float


def alive(pid: int) -> Alive | None:
    """Let a JVM collect, then measure it; None if it does not answer, because it is about to end or is stopped."""
    try:
        _jcmd(pid, "GC.run")
        output = _jcmd(pid, "GC.heap_info")
        resident = psutil.Process(pid).memory_info().rss
        heap = output.partition("Metaspace")[0]
        bounds = [int(address, 16) for address in _BOUNDS.findall(heap)]
        used = sum(int(size) for size in _HEAP_USED.findall(heap)) * KIB
        metaspace = int(_METASPACE.findall(output)[0]) * KIB
        inside = _resident(pid, min(bounds), max(bounds))
    except (subprocess.SubprocessError, psutil.Error, OSError, ValueError, IndexError):
        return None
    return Alive(used / MB, metaspace / MB, (resident - inside) / MB)


def _jcmd(pid: int, command: str) -> str:
    if not _catches_quit(pid):  # jcmd sends SIGQUIT, which ends a JVM that has just started
        raise ValueError(f"process {pid} does not catch SIGQUIT: no JVM, or not yet one that answers")
    done = subprocess.run(["jcmd", str(pid), command], capture_output=True, text=True, check=True, timeout=JCMD_SECONDS)
    return done.stdout


def _catches_quit(pid: int) -> bool:
    caught = re.search(r"^SigCgt:\s+([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGQUIT - 1) & 1)


def _resident(pid: int, start: int, end: int) -> int:
    """Return resident bytes of the mappings between two addresses."""
    total, within = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if found := _MAPPING.match(line):
            within = start <= int(found[1], 16) < end
        elif within and line.startswith("Rss:"):
            total += int(line.split()[1]) * KIB
    return total


class Memory:
    """Sample every process of a stack in a thread, including those that are started again later.

    Attributes:
        resident: per part, the sum over its processes.
        alive: per JVM, ``heap``, ``metaspace`` and ``outside`` after a collection.
    """

    def __init__(self, folder: Path, collect_every: float = COLLECT_EVERY_SECONDS) -> None:
        self.resident: Samples = defaultdict(list)
        self.alive: Samples = defaultdict(list)
        self._prefix, self._collect_every = f"{folder}|", collect_every
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._watch, self._collect)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def minutes(self) -> float:
        """Return minutes since the start: the time axis of the samples."""
        return (time.monotonic() - self._began) / 60

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            now: dict[str, float] = defaultdict(float)
            for process in marked(self._prefix):
                try:
                    now[role(process)] += process.memory_info().rss / MB
                except psutil.Error:
                    continue
            for name, size in now.items():
                if name != "other":
                    self.resident[name].append((self.minutes(), size))

    def _collect(self) -> None:
        while not self._stop.wait(self._collect_every):
            for process in marked(self._prefix):
                try:
                    name = role(process)
                except psutil.Error:
                    continue
                if name in JVMS and (found := alive(process.pid)):
                    for kind, size in vars(found).items():
                        self.alive[f"{name} {kind}"].append((self.minutes(), size))

    def figures(self, first_minute: float = 0.0) -> dict[str, dict[str, float]]:
        """Return per part the median of the second and of the last third from a minute on, and the peak, MB.

        The first third is warm-up.
        """
        return {
            name: found
            for name, samples in sorted({**self.resident, **self.alive}.items())
            if (found := _thirds([sample for sample in samples if sample[0] >= first_minute], first_minute))
        }

    def draw(self, path: Path, faults: list[tuple[float, str]]) -> None:
        """Draw both as a picture, the faults as grey lines."""
        figure = Figure(figsize=(9, 7), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, sharex=True)
        for axes, found, label in (
            (above, self.resident, "resident memory, MB"),
            (below, self.alive, "JVMs after a collection, MB"),
        ):
            for name, samples in sorted(found.items()):
                axes.plot(*np.array(samples).T, label=name, linewidth=1)
            for minute, _ in faults:
                axes.axvline(minute, color="0.85", linewidth=0.8, zorder=0)
            axes.set(ylabel=label, ylim=(0, None))
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
        below.set_xlabel("minutes (grey: a fault)")
        figure.savefig(path, dpi=110)


def _thirds(samples: list[tuple[float, float]], first: float) -> dict[str, Any]:
    if not samples:
        return {}
    times, sizes = np.array(samples).T
    third = (times[-1] - first) / 3
    middle = sizes[(times >= first + third) & (times < first + 2 * third)]
    end = sizes[times >= first + 2 * third]
    return {
        "second_third": round(float(np.median(middle))) if len(middle) else None,
        "last_third": round(float(np.median(end))),
        "peak": round(float(sizes.max())),
    }
