"""Measure 500 new series within one minute, live on the stack: time until they are watched, latency of other alerts.

    python -m benchmarks.job.new_series_live [--series 500] [--warm-up 200]

200 series that a model scores send points at a steady pace all the time, with a spike in one of them four times a
second. After a while 500 series without a model start, distributed over a minute, each with four points a second. A new
series is *watched* when its live state (Redis) says so; that is timed from the point that ends its warm-up. Latency is
from the hand-over of a spike to the producer to the alert's time at the broker, before, while and after they start.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.machine import describe
from benchmarks.measuring.running import own_topic, submitted
from benchmarks.measuring.workload import START, STEP_MS, Workload
from benchmarks.peers import alerts
from eddy.configuration import Configuration, load
from eddy.connections import redis_client
from eddy.flink_job.client.cluster import Cluster
from eddy.producers.transport import Transport, connect
from eddy.settings import Settings
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

OLD, TICK_SECONDS = 200, 0.05
OLD_EACH = 4  # ticks between two points of an old series, of a new one and of two spikes
NEW_EACH = SPIKE_EACH = 5
BEFORE_SECONDS, SPREAD_SECONDS, AFTER_SECONDS = 30.0, 60.0, 30.0
NOT_WATCHED = ("", "warming")
DEADLINE_SECONDS = 120.0


@dataclass
class SentPoints:
    """Record what was sent, and when: (n, …) by point of each series."""

    old_points: list[int] = field(default_factory=lambda: [0] * OLD)
    new_points: dict[int, int] = field(default_factory=dict)
    spikes: dict[tuple[str, int], float] = field(default_factory=dict)  # by series and event time
    warm_at: dict[str, float] = field(default_factory=dict)  # by series: when the point that ends its warm-up was sent


class Watched(threading.Thread):
    """Check every quarter of a second which new series are watched."""

    def __init__(self, settings: Settings, names: list[str]) -> None:
        super().__init__(daemon=True)
        self._client, self._prefix = redis_client(settings.redis), settings.redis.prefix
        self._left, self.at, self._ended = set(names), dict[str, float](), threading.Event()

    def run(self) -> None:
        while self._left and not self._ended.wait(0.25):
            names = sorted(self._left)
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.hget(f"{self._prefix}:series:{name}", "state")
            states = [(found or b"").decode() for found in pipeline.execute()]
            now = time.time()
            for name, state in zip(names, states, strict=True):
                if state not in NOT_WATCHED:
                    self.at[name] = now
                    self._left.discard(name)

    def wait(self, seconds: float) -> None:
        self.join(seconds)
        self._ended.set()


def run(count: int, warm_up: int, overrides: list[str]) -> dict[str, Any]:
    """Run the measurement on a stack of its own."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = [
            "stack.dashboard=false",
            "learning.cold_start=auto",
            f"learning.warmup_points={warm_up}",
            *overrides,
        ]
        with Stack(isolated(load(chosen).settings, Path(folder)), owned=True) as stack:
            return {"benchmark": "new_series_live", "machine": describe(), **measure(stack, count, warm_up)}


def measure(stack: Stack, count: int, warm_up: int) -> dict[str, Any]:
    """Send points, poll the live state, and match alerts with spikes."""
    settings = own_topic(stack.settings, "new")
    manifest, content = Workload("Z").model()
    Registry(settings).publish(replace(manifest, series=("old-*",)), content)
    cluster = Cluster(stack.flink_address)
    job = submitted(Configuration(settings, {}), cluster)
    transport = connect(settings.kafka, settings.topics.name("observations"), "librdkafka")
    names = [f"new-{k:03d}" for k in range(count)]
    watched, stream = Watched(settings, names), SentPoints()
    watched.start()
    marks = send(transport, stream, names, warm_up)
    watched.wait(DEADLINE_SECONDS)
    transport.flush(60)
    transport.close()
    time.sleep(2)
    found = alerts.of_incidents(alerts.read(stack.kafka_address, settings.topics.name("alerts")))
    at = {(one.value["series"], one.value["start"]): one.at for one in found if one.value["state"] == "open"}
    phases = {}
    for phase, begin, end in (("before", *marks[:2]), ("while", *marks[1:3]), ("after", *marks[2:])):
        sent = {key: when for key, when in stream.spikes.items() if begin <= when < end}
        delays = [1000 * (at[key] - when) for key, when in sent.items() if key in at]
        assert delays, f"no alert came of the {len(sent)} spikes {phase} the new series began"
        p50, p99 = np.percentile(delays, (50, 99))
        phases[phase] = {
            "seconds": round(end - begin), "spikes": len(sent), "alerted": len(delays),
            "p50_ms": round(float(p50)), "p99_ms": round(float(p99)),
        }  # fmt: skip
    cluster.cancel(job)
    assert watched.at, "no new series is watched"
    late = [watched.at[name] - stream.warm_at[name] for name in names if name in watched.at and name in stream.warm_at]
    return {
        "new_series": count, "spread_seconds": SPREAD_SECONDS, "warm_up_points": warm_up, "watched": len(watched.at),
        "seconds_after_the_warm_up": {"p50": round(float(np.median(late)), 2), "most": round(max(late), 2)},
        "seconds_from_the_first_event_to_all_watched": round(max(watched.at.values()) - marks[1], 1),
        "latency": phases, "events": sum(stream.old_points) + sum(stream.new_points.values()),
        "restarts": len(cluster.exceptions(job)),
    }  # fmt: skip


def send(transport: Transport, stream: SentPoints, names: list[str], warm_up: int) -> tuple[float, float, float, float]:
    """Send at a steady pace; return the times of the start, the first new series, the end of warm-up, and the end."""
    rng = np.random.default_rng(0)
    began, tick, all_warm = time.time(), 0, 0.0
    first_new = round(BEFORE_SECONDS / TICK_SECONDS)
    starts = {k: first_new + round(k * SPREAD_SECONDS / TICK_SECONDS / len(names)) for k in range(len(names))}
    while not all_warm or time.time() < all_warm + AFTER_SECONDS:
        time.sleep(max(0.0, began + tick * TICK_SECONDS - time.time()))
        events = [(f"old-{k:03d}", _next(stream.old_points, k)) for k in range(tick % OLD_EACH, OLD, OLD_EACH)]
        spiked = int(rng.integers(len(events))) if tick % SPIKE_EACH == 0 else -1
        for k in range(tick % NEW_EACH, len(names), NEW_EACH):
            if tick >= starts[k]:
                stream.new_points.setdefault(k, 0)
                events.append((names[k], _next(stream.new_points, k)))
        values = rng.normal(100, 1, len(events))
        now = time.time()
        if spiked >= 0:
            values[spiked] += 12
            name, point = events[spiked]
            stream.spikes[name, START + point * STEP_MS] = now
        stream.warm_at.update((name, now) for name, point in events if point == warm_up and name.startswith("new-"))
        transport.wait_for_room(1.0)
        transport.send(
            [name.encode() for name, _ in events],
            [
                b'{"series":"%b","ts":%d,"value":%.4f}' % (name.encode(), START + point * STEP_MS, value)
                for (name, point), value in zip(events, values.tolist(), strict=True)
            ],
        )
        if not all_warm and len(stream.warm_at) == len(names):
            all_warm = time.time()
        tick += 1
    return began, began + BEFORE_SECONDS, all_warm, time.time()


def _next(points: Any, k: int) -> int:
    """Count a series' next point and return its number."""
    points[k] += 1
    return int(points[k]) - 1


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.series, chosen.warm_up, chosen.set)), flush=True)


if __name__ == "__main__":
    main()
