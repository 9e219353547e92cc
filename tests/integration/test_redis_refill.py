"""Check that Redis gets what a long outage brought beyond what can wait, from a real broker's topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from eddy.alert import Alert
from eddy.client import LiveState
from eddy.feedback import Feedback
from eddy.flink_job.sinks import message_queue
from eddy.flink_job.sinks.redis import RedisSink
from eddy.settings import Settings
from tests.cli.alerts_at_hand import START, STEP, alert
from tests.flink_job.test_redis_sink import Server, until
from tests.integration import harness

pytestmark = pytest.mark.stack


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    yield one
    one.stop()


def send(settings: Settings, role: str, messages: Sequence[Alert | Feedback]) -> None:
    with harness.producer(settings) as client:
        for message in messages:
            client.send(settings.topics.name(role), value=message.to_json())


@pytest.mark.parametrize("restarted", [False, True])
def test_what_found_the_queue_full_is_read_from_the_topics(
    unique_topics: Settings, server: Server, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr(message_queue, "MAX_WAITING", 10)
    settings = unique_topics.model_copy(update={"redis": server.settings})
    life = [
        [alert(f"s-{k}"), alert(f"s-{k}", "update", severity=90, end=START + STEP), alert(f"s-{k}", "closed")]
        for k in range(20)
    ]
    sent = [*(one for lives in life for one in lives), *(alert(f"open-{k}") for k in range(20))]
    acks = [Feedback(one.id, one.series, "z", "ack", f"p{k}", 1, START, START) for k in range(2) for one in sent[-20:]]
    send(settings, "alerts", sent)
    send(settings, "feedback", acks)
    sink = RedisSink(settings)
    sink.open()
    sink.put(0, sent)
    sink.put(0, feedback=acks)
    until(lambda: sink.away_since is not None, "Redis is away")
    if restarted:
        state = sink.pending(0)
        sink.close(0.1)
        sink = RedisSink(settings)
        sink.open()
        sink.restore(0, state)
    server.start()
    live = LiveState(settings)
    until(lambda: len(live.alerts(1000)) == len(sent), "all transitions are there")
    until(lambda: not sink.pending(0), "and nothing is left to be done")
    assert {one.id for one in live.open_incidents()} == {one.id for one in sent[-20:]}
    for one in (lives[-1] for lives in life):
        assert live.alert(one.id) == one
    for one in sent[-20:]:
        said = live.feedback(one.id).acknowledged
        assert said is not None
        assert said.by == "p1", "the newest"
    sink.close()
    assert sink.refused == 0
