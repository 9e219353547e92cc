"""Run a stack with a job and a stream of known anomalies, and check that nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from eddy.alert import Alert
from eddy.client import LiveState
from eddy.configuration import Configuration, load
from eddy.connections import kafka_client
from eddy.errors import EddyError
from eddy.flink_job.client.cluster import Cluster
from eddy.models.artifacts.manifest import Manifest
from eddy.ops.job_records import forget
from eddy.ops.job_recovery import keep_running
from eddy.ops.job_targets import submit_locally
from eddy.stack import topics
from eddy.stack.local import Stack, isolated
from tests.faults.links import KAFKA, REDIS, links
from tests.integration import harness

NAMES = [f"s-{k:02}" for k in range(12)]
POINTS = 40  # of each series in a chunk
PER_SECOND = 60  # events; a chunk then takes 8 s
SPIKES = 4  # in a chunk
SETTLE_SECONDS = 480


class World:
    """Hold everything that faults act on. Use it as a context manager."""

    def __init__(self, folder: Path, **job: Any) -> None:
        self.patch = pytest.MonkeyPatch()
        base = isolated(load([], environ={}).settings, folder)
        small = {"slots": 8, "dashboard": False, "wait_seconds": 180, "taskmanager_memory_mb": 2048}
        self.settings = base.model_copy(
            update={
                "stack": base.stack.model_copy(update=small),
                "job": base.job.model_copy(update={"checkpoint_interval_ms": 1000, "shards": 8, **job}),
            }
        )
        self.links = links(self.settings, self.patch)
        self.stack = Stack(self.settings, owned=True)
        self.cluster = Cluster(self.stack.flink_address)
        self.told: list[str] = []
        self._stop = threading.Event()
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> World:
        self.stack.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.unkeep()
        self.stack.down()
        for proxy in (proxy for link in self.links.values() for proxy in link):
            proxy.close()
        self.patch.undo()

    def keep(self) -> None:
        """Start services again when they die, as 'eddy up --watch' does; does nothing on the second call."""
        if self._keeper is not None:
            return
        self._stop.clear()
        configuration = Configuration(self.settings, {})
        arguments = (configuration, self.stack, self._stop.wait, self._tell)
        self._keeper = threading.Thread(target=keep_running, args=arguments, daemon=True)
        self._keeper.start()

    def unkeep(self) -> None:
        self._stop.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None

    def _tell(self, line: str) -> None:
        self.told.append(f"{time.strftime('%H:%M:%S')} {line}")
        print(self.told[-1], flush=True)


class Stream:
    """Hold one job and its input: names of its own, everything that was sent, and the expected results."""

    def __init__(self, world: World, name: str, seed: str, prefix: str = "", **job: Any) -> None:
        self.world, self.rng = world, random.Random(seed)
        base = world.settings
        names = {"prefix": prefix or name}
        self.settings = base.model_copy(
            update={
                "topics": base.topics.model_copy(update=names),
                "redis": base.redis.model_copy(update={"prefix": name}),
                "job": base.job.model_copy(update={"name": name, **job}),
            }
        )
        self.by_proxy = self.settings.model_copy(
            update={
                "kafka": base.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{world.links[KAFKA][0].port}"}),
                "redis": self.settings.redis.model_copy(update={"port": world.links[REDIS][0].port}),
            }
        )
        self.model: Manifest = harness.model(limit=2.8)
        self.observations: list[tuple[str, int, float]] = []
        self.bad: list[bytes] = []
        self.noted = {"events": 0, "expected": 0, "seen": 0, "doubled": 0}  # of the tries before
        topics.create_missing(self.settings, world.stack.kafka_address, time.monotonic() + 60)

    @property
    def job(self) -> str:
        found = self.world.cluster.running(self.settings.job.name)
        return found.id if found else ""

    def start(self, savepoint: str = "", **job: Any) -> None:
        """Submit the job as 'eddy job submit' does."""
        self.by_proxy = harness.changed(self.by_proxy, **job)
        self.settings = harness.changed(self.settings, **job)
        configuration = Configuration(self.by_proxy, {})
        number = submit_locally(configuration, savepoint, wait=False)
        self.world.cluster.wait(number, seconds=180)

    def publish(self) -> None:
        harness.publish(self.settings, self.model)

    def stop(self, drain: bool = False) -> str:
        """Stop the job as 'eddy job stop' does."""
        path = self.world.cluster.stop(self.job, drain=drain)
        forget(self.world.stack, self.settings.job.name)
        return path

    def cancel(self) -> None:
        forget(self.world.stack, self.settings.job.name)
        if number := self.job:
            self.world.cluster.cancel(number)
            self.world.cluster.wait(number, "CANCELED")

    # -- sending -----------------------------------------------------------------------------------------------

    def chunk(self) -> list[tuple[str, bytes]]:
        """Return the next points of all series, with anomalies, and a few invalid messages."""
        start = len(self.observations) // len(NAMES)
        spikes = {}
        for index in sorted(self.rng.sample(range(start + 12, start + POINTS - 5), SPIKES)):
            spikes[self.rng.choice(NAMES), index] = self.rng.choice([-1, 1]) * self.rng.uniform(8, 12)
        new = harness.noise(NAMES, POINTS, spikes, seed=self.rng.randrange(2**31), start=start)
        self.observations += new
        messages = [harness.event(*o) for o in new]
        for k in range(3):
            broken = f'{{"broken": {len(self.bad)}.{k}'.encode()
            self.bad.append(broken)
            messages.insert(self.rng.randrange(len(messages)), (NAMES[k], broken))
        return messages

    def send(self, messages: Sequence[tuple[str, bytes]], per_second: float = PER_SECOND) -> None:
        """Send at a steady pace; messages sent while the broker is away follow in order when it is back."""
        topic = self.settings.topics.name("observations")
        began = time.monotonic()
        with harness.producer(self.settings) as client:
            for count, (key, value) in enumerate(messages):
                time.sleep(max(0.0, began + count / per_second - time.monotonic()))
                client.send(topic, key=key.encode(), value=value)

    # -- checking ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def positions(self) -> Iterator[Any]:
        # Polled often, so one poll must not wait for half a minute for a broker that is about to be back.
        options = {**kafka_client(self.settings.kafka), "request_timeout_ms": 5000, "bootstrap_timeout_ms": 1000}
        consumer = KafkaConsumer(**options, group_id=self.settings.job.name, enable_auto_commit=False)
        try:
            yield consumer
        finally:
            consumer.close()

    def ends(self) -> dict[TopicPartition, int]:
        """Return the end offset of each partition of the observations."""
        topic = self.settings.topics.name("observations")
        with self.positions() as consumer:
            partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
            return dict(consumer.end_offsets(partitions))

    def covered(self, ends: dict[TopicPartition, int]) -> bool:
        """Return whether a checkpoint of the job covers everything up to these offsets."""
        try:
            with self.positions() as consumer:
                return all((consumer.committed(place) or 0) >= end for place, end in ends.items())
        except (KafkaError, OSError, ValueError):
            return False

    def settle(self, seconds: float = SETTLE_SECONDS) -> float:
        """Wait until a checkpoint covers all that was sent; return how long it took."""
        began = time.monotonic()
        ends = harness.until(self._ends_or_none, "the broker answers", seconds)
        harness.until(lambda: self.covered(ends), f"all is scored and checkpointed ({self.state()})", seconds)
        return time.monotonic() - began

    def _ends_or_none(self) -> dict[TopicPartition, int] | None:
        try:
            return self.ends()
        except (KafkaError, OSError, ValueError):
            return None

    def state(self) -> str:
        """Return the cluster's state of its jobs, for a message."""
        try:
            jobs = self.world.cluster.jobs()
            return "; ".join(f"{job.name} {job.state} {self.world.cluster.failure(job.id)}" for job in jobs)
        except EddyError as error:
            return str(error)

    def check(self) -> dict[str, int]:
        """Check alerts in Kafka (by id and content), live state in Redis and dead letters: as without a fault.

        Returns counts for the table.
        """
        expected = harness.offline([self.model], self.observations)
        once = self.settings.job.delivery == "exactly-once"
        isolation = "read_committed" if once else "read_uncommitted"
        wanted = {json.dumps(row, sort_keys=True) for row in harness.plain(expected)}

        def found() -> list[str]:
            read = harness.read(self.settings, "alerts", isolation)
            rows = harness.plain(Alert.from_json(record.value) for record in read)
            return [json.dumps(row, sort_keys=True) for row in rows if row["kind"] == "incident"]

        if once:  # a transaction becomes visible with the checkpoint after it
            harness.until(lambda: len(found()) >= len(wanted), "all alerts committed", 60)
        seen = found()
        assert set(seen) == wanted, difference(wanted, set(seen))
        doubled = len(seen) - len(set(seen))
        assert not (once and doubled), f"{doubled} alerts twice in exactly-once mode"
        self._check_dead_letters(isolation, once)
        self._check_redis(expected)
        return {"expected": len(wanted), "seen": len(set(seen)), "doubled": doubled}

    def _check_dead_letters(self, isolation: str, once: bool) -> None:
        dead_letters = [
            (dict(record.headers)["reason"].decode(), dict(record.headers)["offset"], record.value)
            for record in harness.read(self.settings, "dlq", isolation)
        ]
        assert sorted({value for _, _, value in dead_letters}) == sorted(self.bad)
        assert {reason for reason, _, _ in dead_letters} <= {"not-json"}
        assert len({(offset, value) for _, offset, value in dead_letters}) == len(self.bad), "one place for each"
        assert not once or len(dead_letters) == len(self.bad)

    def _check_redis(self, expected: Sequence[Any]) -> None:
        live = LiveState(self.settings)
        wanted = sorted((a.id, a.state, a.end) for a in expected)
        last = {series: ts for series, ts, _ in self.observations}
        newest = {a.id: a for a in expected}
        still_open = {a.id for a in newest.values() if a.state != "closed"}

        def told() -> list[tuple[str, str, int]]:
            return sorted((a.id, a.state, a.end) for a in live.alerts(10_000) if a.kind == "incident")

        try:
            harness.until(lambda: told() == wanted, "Redis has each alert once", 30)
            harness.until(lambda: {a.id for a in live.open_incidents()} == still_open, "the open incidents", 10)

            def current() -> bool:
                states = {name: live.series(name) for name in NAMES}
                return all(state is not None and state.ts == last[name] for name, state in states.items())

            harness.until(current, "the newest point of each series", 30)
            values = {(series, ts): value for series, ts, value in self.observations}
            for name in NAMES:
                state = live.series(name)
                assert state is not None
                assert state.values == {"value": values[name, last[name]]}
        finally:
            live.close()


def difference(wanted: set[str], seen: set[str]) -> str:
    missing, more = sorted(wanted - seen), sorted(seen - wanted)
    return f"{len(missing)} alerts missing {missing[:1]}, {len(more)} too many {more[:1]}"
