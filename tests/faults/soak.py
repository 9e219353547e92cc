"""Run for long with a fault every minute, and sample the memory of each process: nothing lost, nothing grows.

``python -m tests.faults.soak --minutes 30`` prints a line of JSON, and draws the memory of each part as a picture. The
check after each fault is that of ``./run test --faults``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring.memory import Memory
from tests.faults.injuries import INJURIES
from tests.faults.trial import attempt
from tests.faults.world import Stream, World

SEED = "soak-7"
LEFT_OUT = {"Redis away for a minute"}  # longer than the minute between two faults


def soak(minutes: float, picture: Path | None) -> dict[str, Any]:
    """Run it; fails where a check fails. Every kind of fault comes in turn, each as often as in the full run."""
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
        memory = Memory(world.stack.folder)
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
            print(json.dumps(memory.figures()), file=sys.stderr)  # also if a check failed
            if picture is not None and memory.resident:
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
