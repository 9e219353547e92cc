"""Measure latency from event to alert before, while and after models are published that must be refused.

``python -m benchmarks.job.bad_models --rate 4000 --seconds 40`` sends events at a steady rate to a job on a stack of
its own. In the second of three equal parts a model version is published every half second: truncated, wrong checksum,
another shape, 500 MB, 200 MB that have to be read before the wrong checksum shows, one that takes too long to score.
Prints a line of JSON: latency of the alerts of each part, and why the models were refused.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from kafka import KafkaProducer

from benchmarks.job.latency import paced
from benchmarks.measuring.machine import describe
from benchmarks.measuring.running import own_topic, submitted
from benchmarks.measuring.workload import START, STEP_MS, Workload
from benchmarks.peers import alerts
from eddy.configuration import Configuration, load
from eddy.connections import kafka_client
from eddy.flink_job.client.cluster import Cluster
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.catalog import DETECTORS
from eddy.models.core.detector import Series, WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.settings import Settings
from eddy.stack.local import Stack, isolated
from eddy.topic_reader import whole_topic
from eddy.training.registry.registry import Registry

EVERY_SECONDS = 0.5
MB = 1024 * 1024
PARTS = ("before", "while", "after")
SETTLE_SECONDS = 3.0
WARM_UP_EVENTS = 100_000
DEADLINE_SECONDS = 300
HIDDEN, WIDE = 13, 1536  # no other dimension of the model is 13


def slow_detector(spec: WindowSpec) -> Any:
    """Return an LSTM autoencoder that is far too wide: the trial windows at loading take it seconds."""
    points = spec.window + 64
    rng = np.random.default_rng(0)
    series = Series("s", np.arange(points) * STEP_MS, rng.normal(0, 1, (points, 1)), np.zeros(points, bool))
    params = {"hidden": HIDDEN, "epochs": 1, "windows_per_epoch": 4}
    detector: Any = DETECTORS.get("lstm-autoencoder").fit([series], spec, params, 0)[0]
    inputs = detector.arrays["decoder.input"].shape[1]
    wider = {HIDDEN: WIDE, 4 * HIDDEN: 4 * WIDE, inputs: inputs - HIDDEN + WIDE}
    detector.arrays = {
        name: rng.normal(0, 0.01, [wider.get(n, n) for n in array.shape]).astype(array.dtype)
        for name, array in detector.arrays.items()
    }
    return detector


def bad_versions(good: Manifest, folder: Path) -> list[Manifest]:
    """Return one manifest of each kind."""
    sound = good.inline_artifact() or b""
    huge, large, slow = folder / "huge", folder / "large", folder / "slow"
    with huge.open("wb") as file:
        file.truncate(500 * MB)
    with large.open("wb") as file:
        file.write(sound)
        file.truncate(200 * MB)
    detector = slow_detector(WindowSpec(512, 1))
    slow.write_bytes(content := artifact.dump(detector))

    def inline(content: bytes) -> Manifest:
        return replace(good, artifact=base64.b64encode(content).decode(), sha256=artifact.sha256(content))

    by_uri = replace(good, artifact="")
    return [
        inline(sound[: len(sound) // 2]),
        replace(good, sha256="0" * 64),
        inline(artifact.dump(RollingZScore(WindowSpec(good.window + 1)))),
        replace(by_uri, uri=str(huge)),
        replace(by_uri, uri=str(large)),
        replace(
            by_uri,
            uri=str(slow),
            sha256=artifact.sha256(content),
            detector="lstm-autoencoder",
            window=detector.spec.window,
        ),
    ]


def publish(settings: Settings, versions: Sequence[Manifest], stop: threading.Event) -> int:
    """Publish the versions in turn, again and again, each as a new version; return how many."""
    count = 0
    producer = KafkaProducer(**kafka_client(settings.kafka))
    for manifest in itertools.cycle(versions):
        if stop.wait(EVERY_SECONDS):
            break
        count += 1
        value = replace(manifest, version=count + 1).to_json()
        producer.send(settings.topics.name("models"), key=manifest.name.encode(), value=value)
    producer.flush()
    producer.close()
    return count


def run(rate: float, seconds: float, overrides: list[str]) -> dict[str, Any]:
    work = Workload("Z", WARM_UP_EVENTS, series=1000)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        settings = isolated(load(["stack.dashboard=false", *overrides]).settings, place / "stack")
        with Stack(settings, owned=True) as stack:
            settings = own_topic(stack.settings, "latency")
            manifest, content = work.model()
            good = manifest.with_artifact(content)
            versions = bad_versions(good, place)
            Registry(settings).publish(manifest, content)
            work.fill(settings)
            cluster = Cluster(stack.flink_address)
            job = submitted(Configuration(settings, {}), cluster)
            while cluster.metrics(job).get("events", 0) < work.events:
                time.sleep(0.2)
            each = round(rate * seconds)
            times, sent = [], 0
            for part in PARTS:
                stop = threading.Event()
                counted: list[int] = []
                bad = threading.Thread(target=lambda s=stop, c=counted: c.append(publish(settings, versions, s)))
                if part == "while":
                    bad.start()
                more = replace(work, events=work.events + len(times) * each)
                times.append(paced(settings, more, more.events + each, rate))
                if part == "while":
                    stop.set()
                    bad.join()
                    sent = counted[0]
            while (metrics := cluster.metrics(job)).get("events", 0) < work.events + len(PARTS) * each:
                time.sleep(0.2)
            deadline = time.monotonic() + DEADLINE_SECONDS
            while (refused := cluster.metrics(job).get("models_refused", 0)) < sent:
                assert time.monotonic() < deadline, f"{refused:.0f} of {sent} models refused"
                time.sleep(0.2)
            time.sleep(SETTLE_SECONDS)
            return {
                "load": "bad models", "machine": describe(), "rate": rate, "seconds": seconds, "models_sent": sent,
                "refused": round(cluster.metrics(job)["models_refused"]), "reasons": _reasons(settings),
                "model_version": round(metrics["model_version"]), "restarts": len(cluster.exceptions(job)),
                "latency_ms": _latencies(stack, settings, work, np.concatenate(times), each),
            }  # fmt: skip


def _latencies(stack: Stack, settings: Settings, work: Workload, times: Any, each: int) -> dict[str, Any]:
    """Return each part's latencies from an event's hand-over to its alert on the topic."""
    found = alerts.of_incidents(alerts.read(stack.kafka_address, settings.topics.name("alerts")))
    index = {name: k for k, name in enumerate(work.names())}
    delays: dict[str, list[float]] = {part: [] for part in PARTS}
    for raised in found:
        event = (raised.value["start"] - START) // STEP_MS * work.series + index[raised.value["series"]] - work.events
        if raised.value["state"] == "open" and event >= 0:
            delays[PARTS[event // each]].append(1000 * (raised.at - times[event]))
    return {
        part: {"alerts": len(own), **{f"p{p}": round(float(np.percentile(own, p)), 1) for p in (50, 95, 99, 100)}}
        for part, own in delays.items()
    }


def _reasons(settings: Settings) -> dict[str, int]:
    events = [json.loads(record.value) for record in whole_topic(settings, "events")]
    return dict(Counter(event["reason"] for event in events if event["event"] == "model-refused").most_common(20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=4000)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.rate, chosen.seconds, chosen.set)), flush=True)


if __name__ == "__main__":
    main()
