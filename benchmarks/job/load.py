"""Measure lag, memory and state under overload, a burst of new series, and silence.

- ``python -m benchmarks.job.load overload --minutes 10`` measures the job's capacity, sends twice that, or as
  much as the sender manages on the same cores (with ``--workload W --window 128`` an event costs so much to score that
  the sender reaches twice), and then nothing. Reports the lag, memory of each part, and the time to catch up.
- ``python -m benchmarks.job.load burst`` goes from 1,000 to 100,000 series from one second to the next.
- ``python -m benchmarks.job.load ttl`` sends ever new series and reads the size of the state with and without
  ``job.state_ttl_ms``.

Each prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring.machine import describe
from benchmarks.measuring.memory import Memory
from benchmarks.measuring.workload import START, STEP_MS, Workload
from eddy.configuration import Configuration, load
from eddy.flink_job.client.cluster import Cluster
from eddy.flink_rest import FlinkRest
from eddy.ops.job_targets import submit_locally
from eddy.producers.transport import Transport, connect
from eddy.settings import Settings
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

CALIBRATION_EVENTS = {"Z": 1_000_000, "F": 1_000_000, "L": 400_000, "W": 400_000}
DEADLINE_SECONDS = 3600
BLOCK = 5_000
POLL_SECONDS = 1.0
SERIES, MANY_SERIES = 1_000, 100_000
TTL_MS = 15_000
COLLECT_EVERY_SECONDS = 30.0
PRESSURE = ("backPressuredTimeMsPerSecond", "busyTimeMsPerSecond")


@dataclass
class RunningJob:
    """Hold a stack with a running job."""

    settings: Settings
    cluster: Cluster
    job: str
    memory: Memory

    def events(self) -> int:
        return round(self.cluster.metrics(self.job).get("events", 0))

    def newest(self) -> dict[str, Any]:
        """Return the newest checkpoint: its size and its duration."""
        found = self.cluster.checkpoints(self.job)["latest"]["completed"] or {}
        return {"state_bytes": found.get("state_size"), "checkpoint_ms": found.get("end_to_end_duration")}

    def checkpointed(self) -> dict[str, Any]:
        """Return the next checkpoint that begins after now."""
        wanted = self.cluster.checkpoints(self.job)["counts"]["completed"] + 2
        while self.cluster.checkpoints(self.job)["counts"]["completed"] < wanted:
            time.sleep(POLL_SECONDS / 4)
        return self.newest()

    def pressure(self) -> dict[str, float]:
        """Return milliseconds per second that the source is held back and that scoring works: the busiest subtask."""
        found: dict[str, float] = {}
        rest = FlinkRest(self.cluster.address)
        for vertex in rest.job(self.job)["vertices"]:
            for one in rest.metrics(self.job, vertex["id"], PRESSURE):
                found[one["id"]] = max(found.get(one["id"], 0.0), float(one["max"]))
        return found

    def restarts(self) -> int:
        return len(self.cluster.exceptions(self.job))


@contextmanager
def job(work: Workload, overrides: list[str]) -> Iterator[RunningJob]:
    with tempfile.TemporaryDirectory() as folder:
        chosen = ["stack.dashboard=false", "job.checkpoint_interval_ms=2000", *overrides]
        settings = isolated(load(chosen).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            Registry(settings).publish(*work.model())
            number = submit_locally(Configuration(settings, {}))
            memory = Memory(stack.folder, COLLECT_EVERY_SECONDS)
            try:
                yield RunningJob(settings, Cluster(stack.flink_address), number, memory)
            finally:
                memory.close()


def send(transport: Transport, work: Workload, start: int, stop: int, per_second: float = 0.0) -> None:
    """Send events of the workload, at a pace if one is given."""
    began = time.monotonic()
    for first in range(start, stop, BLOCK):
        keys, values = work.messages(first, min(first + BLOCK, stop))
        while not transport.wait_for_room(1.0):
            pass
        transport.send(keys, values)
        if per_second:
            time.sleep(max(0.0, began + (first + BLOCK - start) / per_second - time.monotonic()))


def overload(minutes: float, kind: str, window: int, overrides: list[str]) -> dict[str, Any]:
    """Overload the job; its capacity is measured just before, in the same run, with nothing else to do."""
    work = Workload(kind, series=SERIES, window=window)
    with job(work, overrides) as running:
        transport = connect(running.settings.kafka, running.settings.topics.name("observations"), "librdkafka")
        send(transport, work, 0, CALIBRATION_EVENTS[kind])
        total = CALIBRATION_EVENTS[kind]
        capacity = _capacity(running, total)
        idle = running.checkpointed()
        first_minute, began = running.memory.minutes(), time.monotonic()
        done, moment = running.events(), began
        best = capacity
        lags: list[int] = []
        checkpoints: list[int] = []
        pressures: list[dict[str, float]] = []
        while time.monotonic() - began < 60 * minutes:
            more = round(2 * best * 5)
            send(transport, work, total, total + more, 2 * best)
            total += more
            lags.append(total - running.events())
            if len(lags) % 6 == 0:  # the capacity may have been measured on a busy machine
                now, seen = time.monotonic(), running.events()
                best, done, moment = max(best, (seen - done) / (now - moment)), seen, now
            checkpoints.append(running.newest()["checkpoint_ms"] or 0)
            pressures.append(running.pressure())
            assert not running.restarts(), running.cluster.failure(running.job)
        transport.flush(60)
        sending = time.monotonic() - began
        sent = total - CALIBRATION_EVENTS[kind]
        behind = total - running.events()
        recovery = _handled(running, total)
        after = running.checkpointed()
        return {
            "load": "overload", "workload": kind, "window": window, "machine": describe(),
            "capacity_events_per_second": round(capacity),
            "sent": sent, "sent_per_second": round(sent / sending), "minutes": round(sending / 60, 1),
            "handled_per_second_meanwhile": round((sent - behind) / sending),
            "behind_at_the_end": behind, "recovery_seconds": round(recovery, 1), "lag_each_5_s": lags,
            "pressure_median": {name: statistics.median(one[name] for one in pressures) for name in PRESSURE},
            "checkpoint_ms": {"calm": idle["checkpoint_ms"], "most": max(checkpoints), "after": after["checkpoint_ms"]},
            "state_bytes": [idle["state_bytes"], after["state_bytes"]],
            "restarts": running.restarts(), "memory_mb": running.memory.figures(first_minute),
        }  # fmt: skip


def _capacity(running: RunningJob, total: int) -> float:
    """Return events per second once the job has warmed up, from the backlog in the topic."""
    samples = [(time.monotonic(), 0)]
    while samples[-1][1] < 0.95 * total:
        assert not running.restarts(), running.cluster.failure(running.job)
        time.sleep(POLL_SECONDS / 4)
        samples.append((time.monotonic(), running.events()))
    steady = [sample for sample in samples if sample[1] >= total / 5]
    (first, seen), (last, done) = steady[0], steady[-1]
    return (done - seen) / (last - first)


def _handled(running: RunningJob, total: int) -> float:
    """Wait until the job has read so many events; return the seconds that took."""
    began = time.monotonic()
    while running.events() < total:
        assert time.monotonic() - began < DEADLINE_SECONDS, running.events()
        assert not running.restarts(), running.cluster.failure(running.job)
        time.sleep(POLL_SECONDS / 4)
    return time.monotonic() - began


def burst(overrides: list[str]) -> dict[str, Any]:
    """Send ten points of 1,000 series, then ten points of 100,000 at once."""
    few, many = Workload("Z", series=SERIES, window=10), Workload("Z", series=MANY_SERIES, window=10)
    with job(few, overrides) as running:
        transport = connect(running.settings.kafka, running.settings.topics.name("observations"), "librdkafka")
        send(transport, few, 0, 10 * SERIES)
        _handled(running, 10 * SERIES)
        before = running.checkpointed()
        first_minute, began = running.memory.minutes(), time.monotonic()
        total = 10 * SERIES + 20 * MANY_SERIES
        # the same names continue where they were; the others are new
        later = replace(many, seed=1)
        for first in range(10 * MANY_SERIES, 30 * MANY_SERIES, BLOCK):
            send(transport, later, first, first + BLOCK)
        transport.flush(60)
        sent = time.monotonic() - began
        _handled(running, total)
        took = time.monotonic() - began
        after = running.checkpointed()
        return {
            "load": "burst", "machine": describe(), "series": [SERIES, MANY_SERIES], "events": 20 * MANY_SERIES,
            "send_seconds": round(sent, 1), "handled_seconds": round(took, 1),
            "state_bytes": [before["state_bytes"], after["state_bytes"]],
            "checkpoint_ms": [before["checkpoint_ms"], after["checkpoint_ms"]],
            "series_known": round(running.cluster.metrics(running.job)["series"]),
            "restarts": running.restarts(), "memory_mb": running.memory.figures(first_minute),
        }  # fmt: skip


def ttl(overrides: list[str]) -> dict[str, Any]:
    """Send 500 new series every second for a minute; the earlier ones fall silent."""
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
    parser.add_argument("--workload", choices=sorted(CALIBRATION_EVENTS), default="Z")
    parser.add_argument("--window", type=int, default=30, help="points of a window, with 'overload'")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    loads = {
        "overload": lambda: overload(chosen.minutes, chosen.workload, chosen.window, chosen.set),
        "burst": lambda: burst(chosen.set),
        "ttl": lambda: ttl(chosen.set),
    }
    print(json.dumps(loads[chosen.load]()), flush=True)


if __name__ == "__main__":
    main()
