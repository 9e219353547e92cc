"""Run a stack with a job and a stream of known anomalies, and check that nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
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
from eddy.feedback import Feedback
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
SPIKES = 4  # in a chunk, of single series
TOGETHER = 6  # series that have one at the same time in each chunk: a group
BEGIN, END = 12, 9  # points of a chunk without spikes: windows fill, and incidents close before what is held for order
WATCHED = 12  # series whose newest point is looked up in Redis
SETTLE_SECONDS = 480


class World:
    """Hold everything that faults act on. Use it as a context manager.

    Args:
        folder: of its stack.
        job: settings of all jobs.
    """

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
        """Start nothing again any more."""
        self._stop.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None

    def _tell(self, line: str) -> None:
        self.told.append(f"{time.strftime('%H:%M:%S')} {line}")
        print(self.told[-1], flush=True)


class Stream:
    """Hold one job and its input: names of its own, everything that was sent, and the expected results.

    Each chunk has incidents of single series and a group, and messages that are none. It is sent in one of Kafka's
    codecs, and out of order where the job has a reorder buffer. While a fault lasts, a new version of the model and a
    label for an incident are sent besides (:meth:`disturb`).

    Args:
        world: where it runs.
        name: of the job, its topics and its keys in Redis.
        seed: of all that is drawn.
        prefix: of the topics in place of ``name``.
        series: ids; ``points`` of each are in a chunk.
        per_second: events.
        uri: where the model's artifact is; empty = in its message.
        job: settings of the job.
    """

    def __init__(
        self,
        world: World,
        name: str,
        seed: str,
        prefix: str = "",
        series: Sequence[str] = NAMES,
        points: int = POINTS,
        per_second: float = PER_SECOND,
        uri: str = "",
        **job: Any,
    ) -> None:
        self.world, self.rng = world, random.Random(seed)
        self.series, self.points, self.per_second, self.uri = series, points, per_second, uri
        self._codecs = random.Random(f"{seed}-codecs")
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
        self.labels: dict[str, str] = {}  # sent as feedback, by incident
        self._closed: list[Alert] = []  # of the tries before
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
        harness.publish(self.settings, replace(self.model, artifact="", uri=self.uri) if self.uri else self.model)

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
        start, bound = len(self.observations) // len(self.series), self.settings.job.out_of_orderness_ms
        *single, shared = self.rng.sample(range(start + BEGIN, start + self.points - END), SPIKES + 1)
        spikes = {(name, shared): self.rng.uniform(8, 12) for name in self.series[:TOGETHER]}
        for index in sorted(single):
            spikes[self.rng.choice(self.series), index] = self.rng.choice([-1, 1]) * self.rng.uniform(8, 12)
        new = harness.noise(self.series, self.points, spikes, seed=self.rng.randrange(2**31), start=start)
        arriving = sorted(new, key=lambda one: one[1] + self.rng.uniform(0, bound)) if bound else new
        self.observations += new
        return self.with_broken(arriving)

    def with_broken(self, observations: Sequence[tuple[str, int, float]]) -> list[tuple[str, bytes]]:
        """Return the messages of observations, and some that are none among them."""
        messages = [harness.event(*o) for o in observations]
        for k in range(3):
            broken = f'{{"broken": {len(self.bad)}.{k}'.encode()
            self.bad.append(broken)
            messages.insert(self.rng.randrange(len(messages)), (self.series[k], broken))
        return messages

    def send(self, messages: Sequence[tuple[str, bytes]], per_second: float | None = None) -> None:
        """Send at a steady pace; messages sent while the broker is away follow in order when it is back."""
        topic, pace = self.settings.topics.name("observations"), per_second or self.per_second
        began = time.monotonic()
        with harness.producer(self.settings, self._codecs.choice(harness.CODECS)) as client:
            for count, (key, value) in enumerate(messages):
                time.sleep(max(0.0, began + count / pace - time.monotonic()))
                client.send(topic, key=key.encode(), value=value)

    def disturb(self) -> None:
        """Publish a version of the model that scores as the one before, and label an incident of an earlier try."""
        self.model = replace(self.model, version=self.model.version + 1)
        self.publish()
        unlabelled = [alert for alert in self._closed if alert.id not in self.labels]
        if not unlabelled:
            return
        alert = self.rng.choice(unlabelled)
        self.labels[alert.id] = f"kind-{len(self.labels)}"
        now = int(time.time() * 1000)
        said = Feedback(
            alert.id, alert.series, "z", "label", "tests", now, alert.start, alert.end, label=self.labels[alert.id]
        )
        with harness.producer(self.settings, self._codecs.choice(harness.CODECS)) as client:
            client.send(self.settings.topics.name("feedback"), key=alert.series.encode(), value=said.to_json())

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
        job = self.settings.job  # its bound and time-out are part of an alert's settings_digest
        expected = harness.offline([self.model], self.observations, job.out_of_orderness_ms, job.hold_timeout_ms)
        once = job.delivery == "exactly-once"
        isolation = "read_committed" if once else "read_uncommitted"
        wanted = set(comparable(expected))
        groups = closed_groups(expected)

        def found() -> list[Alert]:
            return [Alert.from_json(record.value) for record in harness.read(self.settings, "alerts", isolation)]

        # Exactly once shows them with the checkpoint after them; and events may have waited for their model.
        with contextlib.suppress(AssertionError):
            harness.until(lambda: set(comparable(found())) >= wanted, "all alerts")
        seen = comparable(found())
        assert set(seen) == wanted, difference(wanted, set(seen))
        doubled = len(seen) - len(set(seen))
        assert not (once and doubled), f"{doubled} alerts twice in exactly-once mode"
        closed = harness.until(lambda: (c := closed_groups(found())).keys() == groups.keys() and c, "the same groups")
        # An incident of a shard that was behind may come when its group is closed already: it has the group's id only.
        # So a group has some of those that carry its id, in this run and in the one without a fault; enough to be one.
        few, carry = self.settings.alerts.group_series, carriers(expected)
        assert all(few <= len(closed[one]) and closed[one] <= carry[one] for one in groups), (closed, carry)
        self._check_dead_letters(isolation, once)
        self._check_redis([alert for alert in expected if alert.kind == "incident"])
        self._check_told()
        self._closed = [alert for alert in expected if alert.kind == "incident" and alert.state == "closed"]
        return {"expected": len(wanted), "seen": len(set(seen)), "doubled": doubled}

    def _check_told(self) -> None:
        """Check that the newest model was taken, that none was refused, and that all labels have arrived."""
        told, version = partial(harness.events, self.settings), self.model.version
        harness.until(lambda: version in {one["version"] for one in told("model-loaded")}, f"version {version} is used")
        assert told("model-refused") == []
        harness.until(lambda: {one["incident"] for one in told("feedback-taken")} >= self.labels.keys(), "labels taken")
        live = LiveState(self.settings)
        try:
            verdicts = {incident: live.feedback(incident).verdict for incident in self.labels}
        finally:
            live.close()
        assert {incident: said and said.label for incident, said in verdicts.items()} == self.labels

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
        # what the reorder buffer holds is not scored yet
        last = {series: ts - self.settings.job.out_of_orderness_ms for series, ts, _ in self.observations}
        newest = {a.id: a for a in expected}
        still_open = {a.id for a in newest.values() if a.state != "closed"}

        def told() -> list[tuple[str, str, int]]:
            return sorted((a.id, a.state, a.end) for a in live.alerts(10_000) if a.kind == "incident")

        try:
            harness.until(lambda: told() == wanted, "Redis has each alert once", 30)
            harness.until(lambda: {a.id for a in live.open_incidents()} == still_open, "the open incidents", 10)

            def current() -> bool:
                states = {name: live.series(name) for name in self.series[:WATCHED]}
                return all(state is not None and state.ts == last[name] for name, state in states.items())

            harness.until(current, "the newest point of each series", 30)
            values = {(series, ts): value for series, ts, value in self.observations}
            for name in self.series[:WATCHED]:
                state = live.series(name)
                assert state is not None
                assert state.values == {"value": values[name, last[name]]}
        finally:
            live.close()


def comparable(alerts: Iterable[Alert]) -> list[str]:
    """Return the incidents' messages without the model's version: which one scored depends on when it came."""
    rows = harness.plain(alert for alert in alerts if alert.kind == "incident")
    return [json.dumps({**row, "model": row["model"]["name"]}, sort_keys=True) for row in rows]


def closed_groups(alerts: Iterable[Alert]) -> Mapping[str, set[str]]:
    """Return the incidents of each closed group by its last message."""
    return {one.id: {m["id"] for m in one.members} for one in alerts if one.kind == "group" and one.state == "closed"}


def carriers(alerts: Iterable[Alert]) -> Mapping[str, set[str]]:
    """Return the incidents that carry each group's id."""
    found: dict[str, set[str]] = {}
    for one in alerts:
        if one.kind == "incident" and one.group is not None:
            found.setdefault(one.group, set()).add(one.id)
    return found


def difference(wanted: set[str], seen: set[str]) -> str:
    missing, more = sorted(wanted - seen), sorted(seen - wanted)
    return f"{len(missing)} alerts missing {missing[:1]}, {len(more)} too many {more[:1]}"
