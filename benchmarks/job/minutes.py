"""Measure whether the cost of an event and the memory of each process stay the same, minute by minute.

``python -m benchmarks.job.minutes --minutes 10 --rate 100000`` starts a stack, sends at a steady rate, and prints a
line of JSON: for each minute the events processed, CPU time per event, and memory, both by process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.job.load import send
from benchmarks.measuring.machine import describe
from benchmarks.measuring.processes import ProcessSampler
from benchmarks.measuring.running import submitted
from benchmarks.measuring.workload import Workload
from eddy.configuration import Configuration, load
from eddy.flink_job.client.cluster import Cluster
from eddy.producers.transport import connect
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

SECONDS = 60.0
POLL_SECONDS = 3.0
WARM_SECONDS = 15.0  # of events before the first minute: workers start


def run(minutes: int, rate: float, series: int, overrides: list[str]) -> dict[str, Any]:
    """Run workload Z at ``rate`` events/s."""
    work = Workload("Z", round(rate * (WARM_SECONDS + minutes * SECONDS)), series)
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(load(["stack.dashboard=false", *overrides]).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            Registry(settings).publish(*work.model())
            cluster = Cluster(stack.flink_address)
            job = submitted(Configuration(settings, {}), cluster)
            transport = connect(settings.kafka, settings.topics.name("observations"), "librdkafka")
            sampler = ProcessSampler(stack)
            sender = threading.Thread(target=send, args=(transport, work, 0, work.events, rate), daemon=True)
            sender.start()
            time.sleep(WARM_SECONDS)
            found = [_minute(sampler, cluster, job) for _ in range(minutes)]
            sender.join()
            sampler.close()
            transport.close()
    return {"benchmark": "minutes", "machine": describe(), "workload": vars(work), "rate": rate, "minutes": found}


def _events(cluster: Cluster, job: str) -> float:
    """Return the number of processed events; asks twice, since Flink fetches metrics only after a request."""
    cluster.metrics(job)
    time.sleep(POLL_SECONDS)
    return cluster.metrics(job)["events"]


def _minute(sampler: ProcessSampler, cluster: Cluster, job: str) -> dict[str, Any]:
    before, cpu = _events(cluster, job), sampler.cpu()
    time.sleep(SECONDS - POLL_SECONDS)
    events = _events(cluster, job) - before
    spent = {name: seconds - cpu.get(name, 0.0) for name, seconds in sampler.cpu().items()}
    return {
        "events_per_second": round(events / SECONDS),
        "cpu_us_per_event": {name: round(seconds / events * 1e6, 2) for name, seconds in sorted(spent.items())},
        "rss_mb": {name: round(size) for name, size in sorted(sampler.newest_mb().items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--rate", type=float, default=100_000)
    parser.add_argument("--series", type=int, default=2_000)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.minutes, chosen.rate, chosen.series, chosen.set)), flush=True)


if __name__ == "__main__":
    main()
