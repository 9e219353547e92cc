"""A long run with a fault every minute, the memory of each process sampled: nothing lost, nothing grows.

``python -m tests.faults.soak --minutes 30`` prints a line of JSON, and draws the memory of each part as a picture. The
check after each fault is that of ``./run test --faults``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.processes import role
from stack.process import marked
from tests.faults.injuries import INJURIES
from tests.faults.trial import attempt
from tests.faults.world import Stream, World

EVERY_SECONDS = 5.0
SEED = "soak-7"
LEFT_OUT = {"Redis away for a minute"}  # longer than the minute between two faults


class Memory:
    """Resident memory of each part, the sum over its processes, sampled in a thread."""

    def __init__(self, world: World) -> None:
        self.samples: dict[str, list[tuple[float, float]]] = defaultdict(list)  # part -> (minutes, MB)
        self._prefix, self._began = f"{world.stack.folder}|", time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            now: dict[str, float] = defaultdict(float)
            for process in marked(self._prefix):
                try:
                    now[role(process)] += process.memory_info().rss / 1e6
                except psutil.Error:
                    continue
            for name, size in now.items():
                if name != "other":
                    self.samples[name].append(((time.monotonic() - self._began) / 60, size))

    def figures(self) -> dict[str, dict[str, float]]:
        """Of each part: the median of the second and of the last third, and the peak, MB. The first third warms up."""
        found = {}
        for name, samples in sorted(self.samples.items()):
            times, sizes = np.array(samples).T
            last = times[-1]
            middle, end = (
                sizes[(times >= a * last) & (times < b * last + 1e-9)] for a, b in ((1 / 3, 2 / 3), (2 / 3, 1))
            )
            found[name] = {
                "second_third": round(float(np.median(middle))),
                "last_third": round(float(np.median(end))),
                "peak": round(float(sizes.max())),
            }
        return found

    def draw(self, path: Path, faults: list[tuple[float, str]]) -> None:
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for name, samples in sorted(self.samples.items()):
            axes.plot(*np.array(samples).T, label=name, linewidth=1)
        for minute, _ in faults:
            axes.axvline(minute, color="0.85", linewidth=0.8, zorder=0)
        axes.set(xlabel="minutes (grey: a fault)", ylabel="resident memory, MB", ylim=(0, None))
        axes.legend(loc="upper right", fontsize=8)
        figure.savefig(path, dpi=110)


def soak(minutes: float, picture: Path | None) -> dict[str, Any]:
    """Run it; raises where a check fails. Every kind of fault comes in turn, each as often as in the full run."""
    faults: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as folder, World(Path(folder)) as world:
        streams = [
            Stream(world, "soak", SEED, parallelism=2),
            Stream(world, "exact", SEED, delivery="exactly-once", transaction_timeout_ms=120_000),
        ]
        for stream in streams:
            stream.publish()
            stream.start()
        world.keep()
        rng = streams[0].rng
        deck: list[str] = []
        memory = Memory(world)
        began = time.monotonic()
        try:
            while (minute := (time.monotonic() - began) / 60) < minutes:
                if not deck:
                    deck = [name for name, (_, times) in INJURIES.items() for _ in range(times) if name not in LEFT_OUT]
                    rng.shuffle(deck)
                fault = deck.pop()
                faults.append((minute, fault))
                attempt(world, streams, fault, INJURIES[fault][0], SEED)
                time.sleep(max(0.0, began + 60 * len(faults) - time.monotonic()))
        finally:
            memory.close()
            if picture is not None and memory.samples:
                memory.draw(picture, faults)
    return {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "faults": len(faults),
        **{stream.settings.job.delivery: stream.noted for stream in streams},
        "memory_mb": memory.figures(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--picture", type=Path, default=None)
    chosen = parser.parse_args()
    print(json.dumps(soak(chosen.minutes, chosen.picture)), flush=True)


if __name__ == "__main__":
    main()
