"""Check that ``eddy job skip`` takes a job past records: they become dead letters, everything else is as it was."""

from __future__ import annotations

import json

import pytest

from eddy.feedback import Feedback
from eddy.flink_job.client import preflight
from eddy.flink_job.graph.settings_arguments import without_secrets
from eddy.ops.dead_letters import Replay
from eddy.ops.job_records import JobRecord, forget, remember
from eddy.settings import Settings
from eddy.stack.kafka_broker import LONGEST_TRANSACTION_MS
from eddy.stack.local import Stack
from tests.integration import harness
from tests.integration.harness import eddy

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.stack,
    pytest.mark.own_stack("the command starts jobs with the addresses that it uses itself"),
]


def test_skipped_records_are_dead_letters_and_the_job_goes_on_without_them(
    stack: Stack, unique_topics: Settings
) -> None:
    settings, model = unique_topics, harness.model(limit=2.8)
    observations = harness.noise(["a"], 40, {("a", 25): 9.0, ("a", 35): 9.0})
    events = [harness.event(*one) for one in observations]
    harness.publish(settings, model)
    harness.send(settings, events[:20])
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, 20)
        done = cluster.checkpoints(number)["counts"]["completed"]
        harness.until(
            lambda: cluster.checkpoints(number)["counts"]["completed"] > done + 1, "a checkpoint that has them"
        )
    remember(stack, JobRecord(settings.job.name, number, without_secrets(settings)))
    harness.send(settings, events[20:])
    word = Feedback("0" * 16, "a", model.name, "ack", "ann", ts=1, start=1, end=2)
    with harness.producer(settings) as client:
        client.send(settings.topics.name("feedback"), key=b"a", value=word.to_json())
    sent = harness.read(settings, "observations")
    (spike,) = [one for one in sent if one.value == events[25][1]]
    places = [f"{spike.topic}:{spike.partition}:{spike.offset}", f"{settings.topics.name('feedback')}:0:0"]
    try:
        wrong = eddy(settings, "job", "skip", f"{spike.topic}:{spike.partition}:99999")
        assert wrong.returncode != 0
        assert f"the partition holds offsets 0 to {len(sent) - 1}" in wrong.stderr
        skipped = eddy(settings, "job", "skip", *places, "--json")
        assert skipped.returncode == 0, skipped.stderr
        answer = json.loads(skipped.stdout)
        assert answer["skip"] == places
        assert "/chk-" in answer["start"], "it goes on from its newest checkpoint"
        harness.handled(cluster, answer["job"], 19)
        (letter,) = harness.until(lambda: harness.read(settings, "dlq"), "the dead letter")
        headers = {name: value.decode() for name, value in letter.headers}
        assert (headers["reason"], headers["offset"]) == ("skipped", str(spike.offset))
        assert letter.value == spike.value
        said = harness.until(
            lambda: [event for event in harness.events(settings) if event["event"].startswith("feedback")],
            "the event of the feedback",
        )
        assert [event["event"] for event in said] == ["feedback-refused"]
        assert "job.skip names this message" in said[0]["reason"]
        expected = harness.offline([model], [*observations[:25], *observations[26:]])
        harness.until(lambda: len(harness.alerts(settings)) >= len(expected), "the alerts")
        assert harness.plain(harness.alerts(settings)) == harness.plain(expected)
        replay = Replay(settings, "skipped")
        replay.run()
        assert replay.report()["sent"] == 1
        assert harness.read(settings, "observations")[-1].value == spike.value
        cluster.cancel(answer["job"])
        cluster.wait(answer["job"], "CANCELED")
    finally:
        forget(stack, settings.job.name)


def test_job_that_delivers_exactly_once_takes_the_longest_transactions_that_the_broker_allows(
    unique_topics: Settings,
) -> None:
    exact = harness.changed(unique_topics, delivery="exactly-once")
    assert preflight.with_transaction_timeout(exact).job.transaction_timeout_ms == LONGEST_TRANSACTION_MS
    chosen = harness.changed(exact, transaction_timeout_ms=60_000)
    assert preflight.with_transaction_timeout(chosen) == chosen
    assert preflight.with_transaction_timeout(unique_topics) == unique_topics
    too_long = harness.changed(exact, transaction_timeout_ms=LONGEST_TRANSACTION_MS + 1)
    with pytest.raises(Exception, match=f"expected at most {LONGEST_TRANSACTION_MS}, the broker's"):
        preflight.with_transaction_timeout(too_long)
