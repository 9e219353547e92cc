"""Change topics, partitions, parallelism and state layout under a running job."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient, NewPartitions

from eddy.connections import kafka_client
from eddy.stack import topics
from tests.faults import record
from tests.faults.conftest import SEED
from tests.faults.trial import attempt
from tests.faults.world import NAMES, Stream, World
from tests.integration import harness
from tests.integration.harness import until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

KEPT = Path(__file__).parent / "data" / "savepoint-layout-1"


@pytest.fixture
def stream(world: World, request: pytest.FixtureRequest) -> Iterator[Stream]:
    """A job of its own for each test."""
    name = "".join(c for c in request.node.name if c.isalnum())[-20:]
    stream = Stream(world, name, f"{SEED}-{name}")
    stream.publish()
    world.keep()
    yield stream
    stream.cancel()


def test_rescaling_from_1_to_2_to_4_loses_nothing(world: World, stream: Stream) -> None:
    """The job is stopped with a savepoint twice while the stream continues."""
    stream.start(parallelism=1)
    for parallelism in (2, 4):

        def rescale(world: World, stream: Stream, parallelism: int = parallelism) -> str:
            path = stream.stop()
            stream.start(path, parallelism=parallelism)
            return f"savepoint, stop, parallelism {parallelism}"

        attempt(world, [stream], "savepoint, then parallelism 1, 2, 4", rescale, SEED)
    assert stream.check()["doubled"] == 0, "a savepoint repeats nothing"


def test_events_of_added_partitions_are_read(world: World, stream: Stream) -> None:
    """Events of new partitions are found within the discovery interval of 30 s."""
    stream.start()
    stream.send(stream.chunk(), 500)
    stream.settle()
    with _admin(stream) as admin:
        admin.create_partitions({stream.settings.topics.name("observations"): NewPartitions(7)})
    until(lambda: len(stream.ends()) == 7, "seven partitions")
    began = time.monotonic()
    messages = stream.chunk()
    stream.send(messages, 500)
    stream.settle()
    _note(stream, "partitions added while running, 4 to 7", time.monotonic() - began)
    assert sum(end > 0 for end in stream.ends().values()) > 4, "the new ones carry something"


def test_job_continues_after_the_topic_is_recreated_as_documented(world: World, stream: Stream) -> None:
    """Follows docs/operations.md: stop, delete, create, submit. Earlier alerts stay; new ones are sent."""
    stream.start()
    stream.send(stream.chunk(), 500)
    stream.settle()
    stream.check()
    topic = stream.settings.topics.name("observations")
    stream.stop()
    _make_again(stream, topic)
    # What the old topic held is gone: windows begin anew with what comes now.
    first, stream.observations = stream.observations, []
    stream.bad.clear()
    before = {alert.id for alert in harness.alerts(stream.settings)}
    began = time.monotonic()
    stream.start()
    more = harness.noise(["fresh"], 60, {("fresh", 30): 9.0})
    stream.send([harness.event(*o) for o in more], 500)
    stream.settle()
    found = {alert.id for alert in harness.alerts(stream.settings)}
    expected = {alert.id for alert in harness.offline([stream.model], more)}
    assert found - before == expected
    assert found >= before
    record.note(
        "topic deleted and made again, job stopped", SEED, recovery=round(time.monotonic() - began, 1),
        events=len(first) + len(more), expected=len(before | expected), seen=len(found), doubled=0,
    )  # fmt: skip


def test_running_job_survives_deletion_of_its_topic(world: World, stream: Stream) -> None:
    """The documentation advises against it; the job must not fail for good, and reads the new topic from its start."""
    stream.start()
    stream.send(stream.chunk(), 500)
    stream.settle()
    old = len(stream.observations)
    before = {alert.id for alert in harness.alerts(stream.settings)}
    topic = stream.settings.topics.name("observations")
    began = time.monotonic()
    _make_again(stream, topic)
    more = harness.noise(["fresh"], 60, {("fresh", 30): 9.0})
    stream.send([harness.event(*o) for o in more], 500)
    expected = {alert.id for alert in harness.offline([stream.model], more)}
    until(
        lambda: {alert.id for alert in harness.alerts(stream.settings)} == before | expected,
        "the alerts of the new topic",
        240,
    )
    record.note(
        "topic deleted and made again under the running job", SEED, recovery=round(time.monotonic() - began, 1),
        events=old + len(more), expected=len(before | expected), seen=len(before | expected), doubled=0,
    )  # fmt: skip


def test_savepoint_of_layout_1_restores(world: World) -> None:
    """Windows of a savepoint by an earlier version are complete: no event is counted twice, none is missing."""
    kept = json.loads((KEPT / "stream.json").read_text())
    stream = Stream(world, "kept", kept["seed"])
    chunks = [kept_chunk(stream), kept_chunk(stream)]
    stream.publish()
    stream.send(chunks[0], 500)
    assert {str(p.partition): end for p, end in stream.ends().items()} == kept["ends"], "the same offsets as then"
    of_then = harness.offline([stream.model], stream.observations[: len(stream.observations) // 2])
    began = time.monotonic()
    stream.start((KEPT / "savepoint").as_uri())
    stream.send(chunks[1], 500)
    world.keep()
    stream.settle()
    expected = harness.plain(harness.offline([stream.model], stream.observations))
    then = harness.plain(of_then)
    found = harness.plain(a for a in harness.alerts(stream.settings) if a.kind == "incident")
    assert found == [row for row in expected if row not in then]
    assert len(then) > 0
    record.note(
        "kept savepoint of layout 1", SEED, recovery=round(time.monotonic() - began, 1),
        events=len(chunks[1]), expected=len(found), seen=len(found), doubled=0,
    )  # fmt: skip
    stream.cancel()


def _admin(stream: Stream) -> contextlib.closing[KafkaAdminClient]:
    return contextlib.closing(KafkaAdminClient(**kafka_client(stream.settings.kafka)))


def _make_again(stream: Stream, topic: str) -> None:
    with _admin(stream) as admin:
        admin.delete_topics([topic])
        until(lambda: topic not in admin.list_topics(), "the topic is gone")
        time.sleep(1)
    topics.create_missing(stream.settings, stream.world.stack.kafka_address, time.monotonic() + 60)


def _note(stream: Stream, fault: str, recovery: float) -> None:
    result = stream.check()
    events = len(stream.observations) + len(stream.bad)
    record.note(fault, SEED, recovery=round(recovery, 1), events=events, **result)


def kept_chunk(stream: Stream) -> list[tuple[str, bytes]]:
    """Return the next points of all series; drawn as they were when the savepoint was made."""
    rng, start = stream.rng, len(stream.observations) // len(NAMES)
    spikes = {}
    for index in sorted(rng.sample(range(start + 12, start + 35), 4)):
        spikes[rng.choice(NAMES), index] = rng.choice([-1, 1]) * rng.uniform(8, 12)
    new = harness.noise(NAMES, 40, spikes, seed=rng.randrange(2**31), start=start)
    stream.observations += new
    return stream.with_broken(new)


def keep_savepoint() -> None:
    """Write the savepoint that the test above restores; only when a release's layout is to be kept."""
    folder = Path(tempfile.mkdtemp())
    with World(folder) as world:
        seed = "kept-layout-1"
        stream = Stream(world, "kept", seed)
        first = kept_chunk(stream)
        stream.publish()
        stream.start()
        stream.send(first, 500)
        stream.settle()
        ends = {str(place.partition): end for place, end in stream.ends().items()}
        path = stream.stop().removeprefix("file:")
        shutil.rmtree(KEPT, ignore_errors=True)
        shutil.copytree(path, KEPT / "savepoint")
        (KEPT / "stream.json").write_text(json.dumps({"seed": seed, "ends": ends}, indent=1) + "\n")


if __name__ == "__main__":
    keep_savepoint()
