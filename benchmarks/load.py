"""More than the job can take, many more series at once, silence: what it does to lag, memory and state.

``python -m benchmarks.load overload --minutes 10`` measures what the job can take, sends twice that for so long, and
then nothing: how far it fell behind, memory of each part, and how long it took to catch up.
``python -m benchmarks.load burst`` goes from 1,000 to 100,000 series from one second to the next.
``python -m benchmarks.load ttl`` sends ever new series and looks at the state with and without ``job.state_ttl_ms``.
Each prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.processes import Watch
from benchmarks.workload import START, STEP_MS, Workload
from cli.job_targets import submit_locally
from eddy.configuration import Configuration, load
from eddy.settings import Settings
from flink_job.cluster import Cluster
from producers.transport import Transport, connect
from stack.local import Stack, isolated
from training.registry import Registry

CALIBRATION_EVENTS = 1_000_000
BLOCK = 5_000
POLL_SECONDS = 1.0
SERIES, MANY_SERIES = 1_000, 100_000
TTL_MS = 15_000


@dataclass
class Running:
    """A stack with a job on it."""

    settings: Settings
    cluster: Cluster
    job: str
    watch: Watch

    def events(self) -> int:
        return round(self.cluster.metrics(self.job).get("events", 0))

    def newest(self) -> dict[str, Any]:
        """The newest checkpoint: its size and how long it took."""
        found = self.cluster.checkpoints(self.job)["latest"]["completed"] or {}
        return {"state_bytes": found.get("state_size"), "checkpoint_ms": found.get("end_to_end_duration")}

    def checkpointed(self) -> dict[str, Any]:
        """The next checkpoint that began after now."""
        wanted = self.cluster.checkpoints(self.job)["counts"]["completed"] + 2
        while self.cluster.checkpoints(self.job)["counts"]["completed"] < wanted:
            time.sleep(POLL_SECONDS / 4)
        return self.newest()

    def memory(self, since: float) -> dict[str, Any]:
        return {
            "peak_rss_mb": {name: round(size) for name, size in sorted(self.watch.peak_mb.items())},
            "rss_mb_per_minute": {name: round(v, 1) for name, v in self.watch.mb_per_minute(since).items()},
        }


@contextmanager
def job(work: Workload, overrides: list[str]) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        chosen = ["stack.dashboard=false", "job.checkpoint_interval_ms=2000", *overrides]
        settings = isolated(load(chosen).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            Registry(settings).publish(*work.model())
            number = submit_locally(Configuration(settings, {}))
            watch = Watch(stack)
            try:
                yield Running(settings, Cluster(stack.flink_address), number, watch)
            finally:
                watch.close()


def send(transport: Transport, work: Workload, start: int, stop: int, per_second: float = 0.0) -> None:
    """Events of the workload, at a pace where one is given."""
    began = time.monotonic()
    for first in range(start, stop, BLOCK):
        keys, values = work.messages(first, min(first + BLOCK, stop))
        while not transport.wait_for_room(1.0):
            pass
        transport.send(keys, values)
        if per_second:
            time.sleep(max(0.0, began + (first + BLOCK - start) / per_second - time.monotonic()))


def overload(minutes: float, overrides: list[str]) -> dict[str, Any]:
    work = Workload("Z", series=SERIES)
    with job(work, overrides) as running:
        transport = connect(running.settings.kafka, running.settings.topics.name("observations"), "librdkafka")
        send(transport, work, 0, CALIBRATION_EVENTS)
        first, began = running.events(), time.monotonic()
        while (seen := running.events()) < CALIBRATION_EVENTS:
            if seen < CALIBRATION_EVENTS / 5:
                first, began = seen, time.monotonic()
            time.sleep(POLL_SECONDS / 4)
        capacity = (seen - first) / (time.monotonic() - began)
        rate, total = 2 * capacity, CALIBRATION_EVENTS
        calm = running.checkpointed()
        began = time.monotonic()
        lags: list[int] = []
        checkpoints: list[int] = []
        while time.monotonic() - began < 60 * minutes:
            more = round(rate * 5)
            send(transport, work, total, total + more, rate)
            total += more
            lags.append(total - running.events())
            checkpoints.append(running.newest()["checkpoint_ms"] or 0)
        transport.flush(60)
        sending = time.monotonic() - began
        memory = running.memory(began + sending / 3)
        sent = total - CALIBRATION_EVENTS
        behind = total - running.events()
        began = time.monotonic()
        while running.events() < total:
            time.sleep(POLL_SECONDS / 4)
        return {
            "load": "overload", "machine": describe(), "capacity_events_per_second": round(capacity),
            "sent": sent, "sent_per_second": round(sent / sending), "minutes": round(sending / 60, 1),
            "behind_at_the_end": behind, "recovery_seconds": round(time.monotonic() - began, 1),
            "lag_each_5_s": lags, "checkpoint_ms_calm": calm["checkpoint_ms"], "checkpoint_ms_most": max(checkpoints),
            "restarts": len(running.cluster.exceptions(running.job)), **memory,
        }  # fmt: skip


def burst(overrides: list[str]) -> dict[str, Any]:
    """Ten points of 1,000 series, then ten points of 100,000 at once."""
    few, many = Workload("Z", series=SERIES, window=10), Workload("Z", series=MANY_SERIES, window=10)
    with job(few, overrides) as running:
        transport = connect(running.settings.kafka, running.settings.topics.name("observations"), "librdkafka")
        send(transport, few, 0, 10 * SERIES)
        while running.events() < 10 * SERIES:
            time.sleep(POLL_SECONDS / 4)
        before = running.checkpointed()
        began = time.monotonic()
        total = 10 * SERIES + 20 * MANY_SERIES
        # the same names go on where they were; the others are new
        later = replace(many, seed=1)
        for first in range(10 * MANY_SERIES, 30 * MANY_SERIES, BLOCK):
            send(transport, later, first, first + BLOCK)
        transport.flush(60)
        sent = time.monotonic() - began
        while running.events() < total:
            assert time.monotonic() - began < 600, running.cluster.failure(running.job)
            time.sleep(POLL_SECONDS / 4)
        took = time.monotonic() - began
        after = running.checkpointed()
        return {
            "load": "burst", "machine": describe(), "series": [SERIES, MANY_SERIES], "events": 20 * MANY_SERIES,
            "send_seconds": round(sent, 1), "handled_seconds": round(took, 1),
            "state_bytes": [before["state_bytes"], after["state_bytes"]],
            "checkpoint_ms": [before["checkpoint_ms"], after["checkpoint_ms"]],
            "series_known": round(running.cluster.metrics(running.job)["series"]),
            "restarts": len(running.cluster.exceptions(running.job)), **running.memory(began),
        }  # fmt: skip


def ttl(overrides: list[str]) -> dict[str, Any]:
    """Every second 500 series that nobody has seen before, for a minute; those before fall silent."""
    found: dict[str, Any] = {"load": "ttl", "machine": describe(), "ttl_ms": TTL_MS, "rounds": 60, "new_per_round": 500}
    for name, milliseconds in (("without", 0), ("with", TTL_MS)):
        with job(Workload("Z", window=10), [*overrides, f"job.state_ttl_ms={milliseconds}"]) as running:
            transport = connect(running.settings.kafka, running.settings.topics.name("observations"), "librdkafka")
            sizes, known = [], []
            for number in range(60):
                began = time.monotonic()
                for point in range(12):
                    names = [f"r{number}-{k}" for k in range(500)]
                    values = [
                        b'{"series":"%b","ts":%d,"value":1}' % (n.encode(), START + (number * 12 + point) * STEP_MS)
                        for n in names
                    ]
                    transport.send([n.encode() for n in names], values)
                sizes.append(running.newest()["state_bytes"])
                known.append(round(running.cluster.metrics(running.job).get("series", 0)))
                time.sleep(max(0.0, began + 1 - time.monotonic()))
            found[name] = {"state_bytes_each_second": sizes, "series_each_second": known}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("load", choices=["overload", "burst", "ttl"])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    loads = {
        "overload": lambda: overload(chosen.minutes, chosen.set),
        "burst": lambda: burst(chosen.set),
        "ttl": lambda: ttl(chosen.set),
    }
    print(json.dumps(loads[chosen.load]()), flush=True)


if __name__ == "__main__":
    main()
