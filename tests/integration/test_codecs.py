"""Check that a producer may compress as it likes: on every input topic, for the job and for every Python reader."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from eddy.connections import librdkafka_client
from eddy.feedback import Feedback
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.topic_reader import whole_topic
from tests.integration import harness

pytestmark = pytest.mark.stack


def send(settings: Settings, codec: str, role: str, messages: list[tuple[str, bytes]]) -> None:
    """Send messages as one compressed batch; ``timestamp`` is left to the client."""
    client = Producer({**librdkafka_client(settings.kafka), "compression.type": codec, "linger.ms": 100})
    for key, value in messages:
        client.produce(settings.topics.name(role), key=key.encode(), value=value)
    assert client.flush(30) == 0


@pytest.mark.parametrize("codec", harness.CODECS)
def test_every_input_topic_takes_every_codec(stack: Stack, unique_topics: Settings, codec: str) -> None:
    settings, model = unique_topics, harness.model(limit=2.8)
    observations = harness.noise(["a"], 30, {("a", 20): 9.0})
    send(settings, codec, "models", [(model.name, model.to_json())])
    send(settings, codec, "observations", [harness.event(*one) for one in observations])
    expected = harness.offline([model], observations)
    first = expected[0]
    known = Feedback(
        id=first.id, series="a", model=model.name, start=first.start, end=first.end, action="ack", by="codecs", ts=1
    )
    send(settings, codec, "feedback", [("a", known.to_json())])
    harness.run_to_end(stack, settings)
    assert harness.plain(harness.alerts(settings)) == harness.plain(expected)
    assert harness.events(settings, "model-refused") == []
    for role, count in (("observations", len(observations)), ("models", 1), ("feedback", 1)):
        assert len(list(whole_topic(settings, role))) == count


def test_record_that_swells_when_decompressed_is_a_small_dead_letter(stack: Stack, unique_topics: Settings) -> None:
    """75 MB of one letter is a few kB of zstd: the dead letter must fit into any topic."""
    settings, model = unique_topics, harness.model(limit=2.8)
    observations = harness.noise(["a"], 30, {("a", 20): 9.0})
    events = [harness.event(*one) for one in observations]
    harness.publish(settings, model)
    send(settings, "none", "observations", events[:10])
    swelling = {**librdkafka_client(settings.kafka), "compression.type": "zstd", "message.max.bytes": 100_000_000}
    client = Producer(swelling)
    client.produce(settings.topics.name("observations"), key=b"a", value=b"x" * 75_000_000)
    assert client.flush(60) == 0
    send(settings, "none", "observations", events[10:])
    harness.run_to_end(stack, settings)
    (dead_letter,) = harness.read(settings, "dlq")
    headers = {name: value.decode() for name, value in dead_letter.headers}
    assert (headers["reason"], headers["size"], headers["truncated"]) == ("oversized", "75000000", "true")
    assert dead_letter.value == b"x" * 4096
    assert harness.plain(harness.alerts(settings)) == harness.plain(harness.offline([model], observations))
