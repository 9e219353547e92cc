"""Measure throughput of the whole job, as shipped: Kafka in, windows in keyed state, scores, alerts out.

Run: ``python -m benchmarks.job.pipeline --workload F --series 1000 --events 2000000``. It starts a stack of its own.
The topic is filled first; the rate is that of the steady state: the job's own event counter between 20 % and 95 % of
the events.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.message_forms import SOURCES
from benchmarks.measuring.message_forms import settings as form_settings
from benchmarks.measuring.processes import ProcessSampler
from benchmarks.measuring.workload import Workload
from eddy.configuration import as_text, flatten, load
from eddy.flink_job.client.cluster import Cluster
from eddy.ops.job_targets import submit_locally
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

STEADY = (0.2, 0.95)
DEADLINE_SECONDS = 900
POLL_SECONDS = 0.25  # each poll takes CPU from the job, in the cluster and in this process


def run(work: Workload, overrides: list[str]) -> dict[str, Any]:
    """Run one measurement."""
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(
            load(["stack.dashboard=false", *form_settings(work.form), *overrides]).settings, Path(folder)
        )
        configuration = load([f"{k}={as_text(v)}" for k, v in flatten(settings) if v is not None], environ={})
        with Stack(settings, owned=True) as stack:
            return _measure(work, configuration, stack)


def _measure(work: Workload, configuration: Any, stack: Stack) -> dict[str, Any]:
    settings = configuration.settings
    Registry(settings).publish(*work.model())
    filled = work.fill(settings)
    sampler = ProcessSampler(stack)
    cluster = Cluster(stack.flink_address)
    began = time.monotonic()
    job = submit_locally(configuration)
    submitted = time.monotonic() - began
    samples: list[tuple[float, float]] = []
    cpu: list[tuple[float, dict[str, float]]] = []
    while not samples or samples[-1][1] < work.events:
        assert time.monotonic() - began < DEADLINE_SECONDS, f"stuck at {samples[-1:]}: {cluster.failure(job)}"
        seen = cluster.metrics(job).get("events", 0.0)
        if not samples or seen != samples[-1][1]:
            samples.append((time.monotonic(), seen))
            cpu.append((seen, sampler.cpu()))
        time.sleep(POLL_SECONDS)
    sampler.close()
    times, seen_at = np.array(samples).T
    steady = (seen_at >= STEADY[0] * work.events) & (seen_at <= STEADY[1] * work.events)
    if steady.sum() < 3:
        steady = seen_at > 0
    first, last = np.flatnonzero(steady)[[0, -1]]
    events = seen_at[last] - seen_at[first]
    metrics = cluster.metrics(job)
    return {
        "workload": vars(work),
        "events_per_second": round(float(events / (times[last] - times[first]))),
        "cpu_us_per_event": {
            name: round((cpu[last][1].get(name, 0) - cpu[first][1].get(name, 0)) / events * 1e6, 2)
            for name in cpu[last][1]
        },
        "peak_rss_mb": {name: round(size) for name, size in sorted(sampler.peak_mb.items())},
        "rss_mb_per_minute": {name: round(slope, 1) for name, slope in sampler.mb_per_minute(times[first]).items()},
        "windows": int(metrics.get("windows", 0)),
        "alerts": int(metrics.get("alerts", 0)),
        "checkpoints": cluster.checkpoints(job)["counts"]["completed"],
        "state_bytes": (cluster.checkpoints(job)["latest"]["completed"] or {}).get("state_size"),
        "fill_events_per_second": round(filled),
        "submit_seconds": round(submitted, 1),
        "samples": len(samples),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["Z", "N", "F", "L", "W"], default="F")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--window", type=int, default=30)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--form", choices=list(SOURCES), default="own")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    work = Workload(options.workload, options.events, options.series, options.window, options.stride)
    work = replace(work, form=options.form)
    print(json.dumps(run(work, options.set), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
