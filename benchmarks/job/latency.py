"""Measure latency from an event's send to its alert on the alerts topic, at half of the job's peak rate.

First comes the peak rate (the topic is filled, the job catches up), then, in the same run, events at half that rate or
at a given one: some until everything is compiled, then those that count. An event's time is its hand-over to the
producer; an alert's time is when the broker appended it, so all of Kafka is included. ``detected_at`` splits the
latency in two: it is when the micro-batch left for scoring.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.machine import describe
from benchmarks.measuring.running import own_topic, submitted
from benchmarks.measuring.workload import BLOCK, START, STEP_MS, Workload
from benchmarks.peers import alerts
from eddy.configuration import Configuration, load
from eddy.flink_job.client.cluster import Cluster
from eddy.producers.transport import Librdkafka
from eddy.settings import Settings
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

CHUNK_SECONDS = 0.005  # interval at which paced events are sent
STEADY = (0.2, 0.95)  # of the first events; the peak rate is taken between these
DEADLINE_SECONDS = 600
POLL_SECONDS = 0.25
SETTLE_SECONDS = 2.0  # the last alerts are still being written
WARM_SECONDS = 25.0  # of paced events that do not count: Java compiles code that is new to it
LINGER_MS = 5  # of the producer


def run(work: Workload, seconds: float, overrides: list[str], rate: float = 0.0) -> dict[str, Any]:
    """Measure the peak over ``work.events``, then latency for ``seconds`` at ``rate`` events/s; 0: half the peak."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        settings = isolated(load(overrides).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            up = time.time() - began
            result = _measure(work, seconds, rate, stack)
    start = up + result["submit_to_first_alert_seconds"]
    result |= {"stack_seconds": round(up, 1), "start_to_first_alert_seconds": round(start, 1)}
    return {"benchmark": "latency", "machine": describe(), "results": [result]}


def _measure(work: Workload, seconds: float, rate: float, stack: Stack) -> dict[str, Any]:
    settings = own_topic(stack.settings, "latency")
    configuration = Configuration(settings, {})
    Registry(settings).publish(*work.model())
    work.fill(settings)
    cluster = Cluster(stack.flink_address)
    began = time.time()
    job = submitted(configuration, cluster)
    running = time.time()
    peak = _peak(work, cluster, job)
    rate = rate or peak / 2
    print(f"peak {peak:,.0f} events/s; {seconds:g} s at {rate:,.0f} …", file=sys.stderr)
    counted = work.events + round(rate * WARM_SECONDS)
    stop = counted + round(rate * seconds)
    times = paced(settings, work, stop, rate)
    _wait(cluster, job, stop)
    time.sleep(SETTLE_SECONDS)
    found = alerts.of_incidents(alerts.read(stack.kafka_address, settings.topics.name("alerts")))
    raised = [one for one in found if one.value["state"] == "open"]
    index = {name: k for k, name in enumerate(work.names())}
    events = [(r.value["start"] - START) // STEP_MS * work.series + index[r.value["series"]] for r in raised]
    sent = [(r, times[e - work.events]) for r, e in zip(raised, events, strict=True) if e >= counted]
    cluster.cancel(job)
    assert sent, "no alert came of the paced events"
    whole = [1000 * (r.at - at) for r, at in sent]
    before = [r.value["detected_at"] - 1000 * at for r, at in sent]
    after = [1000 * r.at - r.value["detected_at"] for r, _ in sent]
    return {
        "workload": vars(work),
        "peak_events_per_second": round(peak),
        "paced_events_per_second": round((stop - work.events) / (times[-1] - times[0])),
        "latency_ms": _spread(whole),
        "to_micro_batch_ms": _spread(before),
        "to_alert_ms": _spread(after),
        "alerts": len(sent),
        "submit_seconds": round(running - began, 1),
        "submit_to_first_alert_seconds": round(raised[0].at - began, 1),
    }


def _spread(delays: list[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(delays, (50, 95, 99))
    return {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1), "max": round(max(delays), 1)}


def _peak(work: Workload, cluster: Cluster, job: str) -> float:
    """Return events per second of the steady state, from the backlog in the topic."""
    samples = [(time.time(), 0.0)]
    while samples[-1][1] < work.events:
        assert time.time() - samples[0][0] < DEADLINE_SECONDS, f"stuck: {cluster.failure(job)}"
        time.sleep(POLL_SECONDS)
        seen = cluster.metrics(job).get("events", 0.0)
        if seen != samples[-1][1]:
            samples.append((time.time(), seen))
    times, seen_at = np.array(samples).T
    steady = np.flatnonzero((seen_at >= STEADY[0] * work.events) & (seen_at <= STEADY[1] * work.events))
    first, last = (steady[0], steady[-1]) if len(steady) > 1 else (0, -1)
    return float((seen_at[last] - seen_at[first]) / (times[last] - times[first]))


def _wait(cluster: Cluster, job: str, events: int) -> None:
    deadline = time.time() + DEADLINE_SECONDS
    while cluster.metrics(job).get("events", 0.0) < events:
        assert time.time() < deadline, f"stuck: {cluster.failure(job)}"
        time.sleep(POLL_SECONDS)


def paced(settings: Settings, work: Workload, stop: int, rate: float) -> Any:
    """Send the events from ``work.events`` on at a steady rate; return (n,) the time at which each was handed over."""
    messages = [work.messages(i, min(i + BLOCK, stop)) for i in range(work.events, stop, BLOCK)]  # before it is timed
    keys, values = [k for part in messages for k in part[0]], [v for part in messages for v in part[1]]
    transport = Librdkafka(settings.kafka, settings.topics.name("observations"), LINGER_MS)
    times = np.empty(len(keys))
    chunk = max(1, round(rate * CHUNK_SECONDS))
    began = time.time()
    for start in range(0, len(keys), chunk):
        due = began + start / rate
        time.sleep(max(0.0, due - time.time()))
        part = slice(start, start + chunk)
        times[part] = time.time()
        transport.wait_for_room(1.0)
        transport.send(keys[part], values[part])
    left = transport.flush(60)
    transport.close()
    assert not left, f"{left} events did not reach the broker"
    return times
