"""Measure bytes of checkpointed state per series, compared with the raw window, from few series to many."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measuring.machine import describe
from benchmarks.measuring.running import submitted
from benchmarks.measuring.workload import Workload
from eddy.configuration import Configuration, load
from eddy.flink_job.client.cluster import Cluster
from eddy.stack import topics
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

POINTS = 40  # per series: windows are full and have moved on
VALUE_BYTES = 8
CHECKPOINT_MS = 2000  # the size does not depend on the interval; the wait for the next checkpoint does
DEADLINE_SECONDS = 1200  # a million series on two cores take minutes
POLL_SECONDS = 0.1


def run(work: Workload, sizes: Sequence[int], overrides: Sequence[str], points: int = POINTS) -> dict[str, Any]:
    """Run one job per number of series, in turn on one stack; ``points`` of each, more than the window."""
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(load([*overrides, f"job.checkpoint_interval_ms={CHECKPOINT_MS}"]).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            for series in sizes:
                results.append(_measure(replace(work, series=series, events=points * series), stack))
    smallest, largest = results[0], results[-1]
    more = largest["series"] - smallest["series"]
    marginal = (largest["state_bytes"] - smallest["state_bytes"]) / more if more else None
    for one in results:
        one["bytes_per_further_series"] = marginal and round(marginal, 1)
    return {"benchmark": "state", "machine": describe(), "results": results}


def _measure(work: Workload, stack: Stack) -> dict[str, Any]:
    prefix = stack.settings.topics.model_copy(update={"prefix": f"state-{work.kind.lower()}-{work.series}"})
    settings = stack.settings.model_copy(update={"topics": prefix})
    topics.create_missing(settings, stack.kafka_address, time.monotonic() + DEADLINE_SECONDS)
    configuration = Configuration(settings, {})
    manifest, content = work.model()
    Registry(settings).publish(manifest, content)
    work.fill(settings)
    cluster = Cluster(stack.flink_address)
    job = submitted(configuration, cluster)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while cluster.metrics(job).get("events", 0.0) < work.events:
        assert time.monotonic() < deadline, f"stuck: {cluster.failure(job)}"
        time.sleep(POLL_SECONDS)
    wanted = cluster.checkpoints(job)["counts"]["completed"] + 2  # one may have begun before the last event
    while (found := cluster.checkpoints(job))["counts"]["completed"] < wanted:
        assert time.monotonic() < deadline, "no checkpoint completes"
        time.sleep(POLL_SECONDS)
    cluster.cancel(job)
    cluster.wait(job, "CANCELED")
    size = int(found["latest"]["completed"]["state_size"])
    raw = work.window * VALUE_BYTES
    per_series = size / work.series
    return {
        "workload": vars(work), "series": work.series, "state_bytes": size, "model_bytes": len(content),
        "bytes_per_series": round(per_series, 1), "raw_window_bytes": raw, "ratio_to_raw": round(per_series / raw, 2),
    }  # fmt: skip
