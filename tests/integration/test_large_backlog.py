"""Check that a backlog of large events drains, and that nothing of a record but the heap's own size bounds it.

1,500 events of 1 MB are more than the heap of the shipped TaskManager (1.1 GB); ``BACKLOG_EVENTS=10000`` makes it a
longer run.
"""

from __future__ import annotations

import json
import os

import pytest
from confluent_kafka import Producer

from eddy.connections import librdkafka_client
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

EVENTS = int(os.environ.get("BACKLOG_EVENTS", "1500"))
EVENT_BYTES = 1_000_000
SERIES = 10
HUNDRED_MB = 100 * 1024 * 1024


def send(settings: Settings, messages: list[Sent]) -> None:
    """Send as batches of up to 60 MB that are a few kB on the wire: (key, value, headers) of each."""
    large = {
        "compression.type": "gzip",
        "batch.size": 60_000_000,
        "message.max.bytes": 2 * HUNDRED_MB,
        "linger.ms": 200,
    }
    client = Producer({**librdkafka_client(settings.kafka), **large})
    for key, value, headers in messages:
        client.produce(settings.topics.name("observations"), key=key, value=value, headers=headers)
        client.poll(0)
    assert client.flush(300) == 0


def large(series: str, ts: int, value: float) -> tuple[bytes, bytes]:
    """Build a valid event of 1 MB."""
    raw = json.dumps({"series": series, "ts": ts, "value": value, "note": ""})
    return series.encode(), (raw[:-2] + "x" * (EVENT_BYTES - len(raw)) + raw[-2:]).encode()


def test_backlog_of_large_events_drains_in_the_shipped_heap(stack: Stack, unique_topics: Settings) -> None:
    settings, model = unique_topics, harness.model(limit=2.8)
    names = [f"s-{k}" for k in range(SERIES)]
    observations = harness.noise(names, EVENTS // SERIES, {("s-3", 60): 9.0, ("s-7", EVENTS // SERIES - 5): -9.0})
    harness.publish(settings, model)
    for start in range(0, EVENTS, 100):
        send(settings, [(*large(*one), []) for one in observations[start : start + 100]])
    with harness.running(stack, harness.changed(settings, bounded=True)) as (cluster, number):
        cluster.wait(number, "FINISHED", seconds=1500)
        assert cluster.exceptions(number) == []
    assert harness.plain(harness.alerts(settings)) == harness.plain(harness.offline([model], observations))


def test_record_of_any_size_in_any_part_is_a_small_dead_letter(stack: Stack, unique_topics: Settings) -> None:
    settings, model = unique_topics, harness.model(limit=2.8)
    observations = harness.noise(["a"], 30, {("a", 20): 9.0})
    events: list[Sent] = [(key.encode(), value, []) for key, value in (harness.event(*one) for one in observations)]
    much = b"x" * HUNDRED_MB
    bad: list[Sent] = [
        (b"a", much, []),
        (much, b"{}", []),
        (b"a", b"not JSON", [("trace", much)]),
        (b"a", b"not JSON", [(f"h{k}", b"") for k in range(20_000)]),
        (b"a", much, [("trace", b"1")] * 3),
        (b"\xff\xfe", much[: 700 * 1024], []),
        (much[: 700 * 1024], much[: 700 * 1024], []),
    ]
    repeated = [one for one in bad for _ in range(5)]
    repeated += [(None, None, [("trace", much)])] * 2  # of these no deserializer is asked: nothing bounds their poll
    harness.publish(settings, model)
    for sent in (*events[:15], *repeated, *events[15:]):
        send(settings, [sent])
    with harness.running(stack, harness.changed(settings, bounded=True)) as (cluster, number):
        cluster.wait(number, "FINISHED", seconds=600)
        assert cluster.exceptions(number) == []
    letters = harness.read(settings, "dlq")
    assert len(letters) == len(repeated)
    assert len({(dict(one.headers)["partition"], dict(one.headers)["offset"]) for one in letters}) == len(letters)
    assert max(len(one.key or b"") + len(one.value or b"") for one in letters) <= 2 * 4096
    assert harness.plain(harness.alerts(settings)) == harness.plain(harness.offline([model], observations))
