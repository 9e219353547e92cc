"""Help integration tests with the stack: publish models, send events, run jobs, read output."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment

from eddy.alert import Alert
from eddy.configuration import as_text, flatten
from eddy.connections import kafka_client
from eddy.flink_job import job
from eddy.flink_job.client.cluster import Cluster
from eddy.flink_job.graph import environment
from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Detector, WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.loaded_model import LoadedModel
from eddy.models.serving.model_set import ModelSet
from eddy.settings import JobSettings, Settings
from eddy.stack import flink_identity
from eddy.stack.local import Stack
from tests.given_stack import GivenStack

START = 1_735_689_600_000  # 1 January 2025
STEP = 60_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")  # all that Kafka knows
MAIL_BYTES = 64 * 1024 * 1024


def changed(settings: Settings, **job_settings: Any) -> Settings:
    """Return settings with some of the job's changed."""
    return settings.model_copy(update={"job": settings.job.model_copy(update=job_settings)})


def model(
    name: str = "z",
    version: int = 1,
    limit: float = 3.0,
    window: int = 10,
    detector: Detector | None = None,
    **fields: Any,
) -> Manifest:
    """Build a small model, inline: a rolling z-score unless a detector is given."""
    detector = detector or RollingZScore(WindowSpec(window))
    content = artifact.dump(detector)
    spec = detector.spec
    manifest = Manifest(
        name=name,
        version=version,
        detector=detector.kind,
        series=("*",),
        features=spec.features,
        window=spec.window,
        stride=spec.stride,
        interval_ms=spec.interval_ms,
        threshold={"policy": "fixed", "default": limit},
        created=datetime.now(UTC).isoformat(),
        sha256=artifact.sha256(content),
        alerts={"close_after": 3},
    )
    return replace(manifest.with_artifact(content), **fields)


@contextlib.contextmanager
def producer(settings: Settings, codec: str = "none") -> Iterator[KafkaProducer]:
    """Yield a producer that has delivered everything at the end of the block, or raises: a test must know what it sent.

    It retries for ten minutes while the broker is away.
    """
    options = {"delivery_timeout_ms": 600_000, "max_block_ms": 600_000, "linger_ms": 5}
    compression = None if codec == "none" else codec
    client = KafkaProducer(
        **kafka_client(settings.kafka), max_request_size=MAIL_BYTES, compression_type=compression, **options
    )
    failed: list[BaseException] = []
    plainly = client.send

    def send(*args: Any, **kwargs: Any) -> Any:
        return plainly(*args, **kwargs).add_errback(failed.append)

    client.send = send
    try:
        yield client
        client.flush()
        assert not failed, f"{len(failed)} messages were not delivered: {failed[0]}"
    finally:
        client.close()


def publish(settings: Settings, *manifests: Manifest) -> None:
    """Send models to the registry topic."""
    with producer(settings) as client:
        for manifest in manifests:
            client.send(settings.topics.name("models"), key=manifest.name.encode(), value=manifest.to_json()).get(30)


def send(settings: Settings, messages: Iterable[tuple[str | bytes | None, bytes]]) -> None:
    """Send (key, value) messages to the observations topic, in order."""
    topic = settings.topics.name("observations")
    with producer(settings) as client:
        for key, value in messages:
            client.send(topic, key=key.encode() if isinstance(key, str) else key, value=value)


def event(series: str, ts: int, value: float | None) -> tuple[str, bytes]:
    """Build an observation message."""
    return series, json.dumps({"series": series, "ts": ts, "value": value}).encode()


def noise(
    series: Sequence[str], points: int, spikes: dict[tuple[str, int], float], seed: int = 1, start: int = 0
) -> list[tuple[str, int, float]]:
    """Return (series, ts, value) of small noise with spikes at (series, index), in order of time."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, (points, len(series)))
    return [
        (name, START + (start + i) * STEP, float(spikes.get((name, start + i), values[i, k])))
        for i in range(points)
        for k, name in enumerate(series)
    ]


@contextlib.contextmanager
def running(stack: Stack, settings: Settings, savepoint: str = "") -> Iterator[tuple[Cluster, str]]:
    """Run a job on the stack's cluster; cancel it at the end of the block if it still runs."""
    cluster = Cluster(stack.flink_address)
    number = submit(stack, settings, savepoint)
    try:
        yield cluster, number
    finally:
        if cluster.state(number) not in {"FINISHED", "CANCELED", "FAILED"}:
            cluster.cancel(number)
            cluster.wait(number, "CANCELED")


def submit(stack: Stack, settings: Settings, savepoint: str = "") -> str:
    """Submit from this process: one JVM serves all tests, where ``flink run`` would start one for each."""
    host, port = stack.flink_address.split(":")
    extra = Configuration()
    for key, value in {
        "execution.target": "remote",
        "rest.address": host,
        "rest.port": port,
        **({"execution.state-recovery.path": savepoint} if savepoint else {}),
        **_tls(stack),
    }.items():
        extra.set_string(key, value)
    python = sys.executable
    if isinstance(stack, GivenStack):
        python, settings = stack.python, stack.as_the_job_sees(settings)
    env: StreamExecutionEnvironment = environment.create(settings.job, python=python)
    env.configure(extra)
    job.build(env, settings)
    number = str(env.execute_async(settings.job.name).get_job_id())
    Cluster(stack.flink_address).wait(number, seconds=120)
    return number


def _tls(stack: Stack) -> dict[str, str]:
    """PyFlink's gateway reads the distribution's settings, not those of ``FLINK_CONF_DIR`` as 'flink run' does."""
    identity = stack.flink_address.identity
    options = flink_identity.options(identity, internal=False) if identity else {}
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in options.items()}


def run_to_end(stack: Stack, settings: Settings) -> None:
    """Run the job over the topic's present content, until it finishes by itself."""
    with running(stack, changed(settings, bounded=True)) as (cluster, number):
        cluster.wait(number, "FINISHED", seconds=120)


def read(settings: Settings, role: str, isolation: str = "read_uncommitted") -> list[Any]:
    """Return all records that a topic holds now."""
    consumer = KafkaConsumer(
        **kafka_client(settings.kafka),
        enable_auto_commit=False,
        isolation_level=isolation,
        max_partition_fetch_bytes=MAIL_BYTES,
        fetch_max_bytes=MAIL_BYTES,
    )
    try:
        topic = settings.topics.name(role)
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        records: list[Any] = []
        limit = time.monotonic() + 60
        while any(consumer.position(p) < ends[p] for p in partitions):
            assert time.monotonic() < limit, f"{topic} could not be read to its end"
            for found in consumer.poll(timeout_ms=200).values():
                records += found
        return records
    finally:
        consumer.close()


def events(settings: Settings, kind: str = "") -> list[dict[str, Any]]:
    """Read the events topic; with a kind, only such events."""
    found = [json.loads(record.value) for record in read(settings, "events")]
    return [one for one in found if kind in ("", one["event"])]


def alerts(settings: Settings) -> list[Alert]:
    """Read the alerts topic."""
    return [Alert.from_json(record.value) for record in read(settings, "alerts")]


def plain(found: Iterable[Alert]) -> list[dict[str, Any]]:
    """Return alerts in a fixed order, without fields that may differ between two runs on the same data."""
    rows = [{k: v for k, v in asdict(a).items() if k not in ("detected_at", "job")} for a in found]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Wait until a condition holds; return its value. Checking takes at most a quarter of the time."""
    limit = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if result := condition():
            return result
        assert time.monotonic() < limit, f"not within {seconds} s: {what}"
        time.sleep(max(0.1, 3 * (time.monotonic() - began)))


def handled(cluster: Cluster, number: str, events: int) -> None:
    """Wait until the job has read so many events."""
    until(lambda: cluster.metrics(number).get("events", 0) >= events, f"{events} events read")


def offline(
    manifests: Sequence[Manifest],
    observations: Sequence[tuple[str, int, float]],
    bound: int = 0,
    hold: int | None = None,
    cold: LoadedModel | None = None,
) -> list[Alert]:
    """Return the engine's alerts for the same observations without Flink; ``cold``: the built-in model, if it is on."""
    models = ModelSet()
    if cold is not None:
        models.start_cold(cold)
    for manifest in manifests:
        models.put(manifest, lambda m: m.inline_artifact() or b"")
    names = sorted({series for series, _, _ in observations})
    index = {name: k for k, name in enumerate(names)}
    return replay(
        models,
        # as in the job: the digest of the effective settings is part of an alert
        EngineOptions(
            out_of_orderness_ms=bound, hold_timeout_ms=JobSettings().hold_timeout_ms if hold is None else hold
        ),
        names,
        np.array([index[series] for series, _, _ in observations]),
        np.array([ts for _, ts, _ in observations]),
        np.array([[value] for _, _, value in observations]),
    )


def eddy(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    options = [
        part for key, value in flatten(settings) if value is not None for part in ("--set", f"{key}={as_text(value)}")
    ]
    program = "import sys; from eddy.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *options, *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
