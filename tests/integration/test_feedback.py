"""Check that feedback on alerts reaches the running job and survives a savepoint."""

from __future__ import annotations

import json

import pytest

from eddy.alert import Alert
from eddy.client import LiveState
from eddy.feedback import Feedback
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.training.data.labels import load_labels
from tests.cli.alerts_at_hand import eddy
from tests.integration import harness

pytestmark = pytest.mark.stack

SPIKES = {("a", 20): 9.0, ("b", 20): 9.0, ("a", 50): 9.0, ("b", 50): 9.0, ("a", 80): 9.0, ("b", 80): 9.0}


def opened(settings: Settings, point: int) -> list[Alert]:
    start = harness.START + point * harness.STEP
    return [a for a in harness.alerts(settings) if a.state == "open" and a.start == start]


def test_raised_limit_of_a_dismissed_series_survives_a_savepoint(stack: Stack, unique_topics: Settings) -> None:
    settings = harness.changed(unique_topics, feedback_step=1.0)  # one dismissal doubles the limit
    observations = harness.noise(["a", "b"], 90, SPIKES)
    first, second, third = observations[:60], observations[60:120], observations[120:]
    harness.publish(settings, harness.model(limit=2.5))

    with harness.running(stack, settings) as (cluster, number):
        harness.send(settings, [harness.event(*o) for o in first])
        found = harness.until(lambda: len(f := opened(settings, 20)) == 2 and f, "two incidents")
        of_a = min(found, key=lambda a: a.series)
        assert eddy(settings, "alerts", "dismiss", of_a.id, "--by", "ada").returncode == 0
        (event,) = harness.until(lambda: harness.events(settings, "feedback-taken"), "the feedback taken")
        assert (event["series"], event["incident"], event["action"]) == ("a", of_a.id, "dismiss")
        assert event["limit_factor"] == 2.0
        harness.send(settings, [harness.event(*o) for o in second])
        harness.until(lambda: opened(settings, 50), "the incident of the other series")
        harness.handled(cluster, number, 120)
        place = cluster.stop(number, drain=False)
    assert [a.series for a in opened(settings, 50)] == ["b"], "9 is not above twice the limit"

    said = harness.until(lambda: LiveState(settings).feedback(of_a.id).verdict, "feedback in Redis")
    assert (said.by, said.action) == ("ada", "dismiss")
    shown = eddy(settings, "alerts", "show", of_a.id).stdout
    assert "dismissed by ada" in " ".join(shown.split())

    with harness.running(stack, settings, place) as (cluster, number):
        harness.send(settings, [harness.event(*o) for o in third])
        harness.until(lambda: opened(settings, 80), "the incident of the other series")
        cluster.stop(number, drain=True)
    assert [a.series for a in opened(settings, 80)] == ["b"], "the savepoint remembers"


def test_acknowledgements_and_labels_are_applied_and_invalid_feedback_is_refused(
    stack: Stack, unique_topics: Settings, tmp_path
) -> None:
    settings = unique_topics
    observations = harness.noise(["a", "b"], 30, SPIKES)
    harness.publish(settings, harness.model(limit=2.5))
    with harness.running(stack, settings) as (cluster, number):
        harness.send(settings, [harness.event(*o) for o in observations[:42]])
        found = harness.until(lambda: len(f := opened(settings, 20)) == 2 and f, "two incidents")
        of_a, of_b = sorted(found, key=lambda a: a.series)
        done = eddy(settings, "alerts", "ack", of_a.id, "--comment", "on it", "--json")
        assert Feedback.from_json(done.stdout.encode()).action == "ack"
        assert eddy(settings, "alerts", "label", of_a.id, "spike").returncode == 0
        assert eddy(settings, "alerts", "label", of_b.id, "normal").returncode == 0
        topic = settings.topics.name("feedback")
        with harness.producer(settings) as client:
            client.send(topic, key=b"a", value=b"{broken")
            client.send(topic, key=b"b", value=done.stdout.encode())  # the key says another series
            client.send(topic, value=done.stdout.encode())  # belongs to no shard
        refused = harness.until(
            lambda: len(e := harness.events(settings, "feedback-refused")) == 3 and e, "three refusals"
        )
        reasons = "; ".join(event["reason"] for event in refused)
        assert "not JSON" in reasons
        assert reasons.count("expected the message key") == 2, "another series' key, and none"
        harness.send(settings, [harness.event(*o) for o in observations[42:]])
        closed = harness.until(
            lambda: len(c := [a for a in harness.alerts(settings) if a.state == "closed"]) == 2 and c, "both closed"
        )
        assert {a.series: a.acknowledged for a in closed} == {"a": True, "b": False}
        cluster.stop(number, drain=True)

    out = tmp_path / "labels.json"
    assert "1 incident of 1 series" in eddy(settings, "alerts", "labels", "--out", str(out)).stdout
    assert json.loads(out.read_text()) == {"a": [["2025-01-01 00:20:00.000000"] * 2]}
    anomaly = harness.START + 20 * harness.STEP
    assert load_labels(out) == {"a": [(anomaly, anomaly)]}, "what training and evaluation read"
    normal = eddy(settings, "alerts", "labels", "--normal").stdout
    assert list(json.loads(normal)) == ["b"]

    unknown = eddy(settings, "alerts", "ack", "f" * 16)
    assert unknown.returncode == 2
    assert unknown.stderr == f"eddy: alert '{'f' * 16}': neither Redis nor Kafka has it; 'eddy alerts list' shows ids\n"
    long = eddy(settings, "alerts", "label", of_a.id, "x" * 100)
    assert "feedback: field 'label'" in long.stderr


def test_reset_series_loses_its_incident_and_takes_earlier_times(stack: Stack, unique_topics: Settings) -> None:
    settings = unique_topics
    observations = harness.noise(["a", "b"], 22, {("a", 20): 9.0, ("b", 20): 9.0})
    harness.publish(settings, harness.model(limit=2.5))
    with harness.running(stack, settings) as (cluster, number):
        harness.send(settings, [harness.event(*o) for o in observations])
        harness.until(lambda: len(opened(settings, 20)) == 2, "two incidents")
        done = eddy(settings, "series", "reset", "a", "--by", "ada", "--comment", "new sensor")
        assert done.returncode == 0, done.stderr
        (told,) = harness.until(lambda: harness.events(settings, "series-reset"), "the answer")
        assert (told["series"], told["reason"]) == ("a", "asked for by ada: new sensor")
        closed = harness.until(lambda: [x for x in harness.alerts(settings) if x.state == "closed"], "the closed alert")
        assert [alert.series for alert in closed] == ["a"]
        again = [o for o in observations if o[0] == "a"][:5]
        harness.send(settings, [harness.event(*o) for o in again])
        harness.handled(cluster, number, len(observations) + len(again))
        cluster.stop(number, drain=True)
    assert not list(harness.read(settings, "dlq")), "times before the reset are not late"
