"""Check the client for consumers of alerts with real Kafka and Redis."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
import threading
from types import FunctionType, ModuleType

import pytest

from eddy import client, paging
from eddy.client import AlertStream, LiveState
from eddy.configuration import as_environment
from eddy.errors import StackError
from eddy.feedback import Feedback
from eddy.settings import Settings
from eddy.stack.ports import free_ports
from eddy.topic_reader import TopicReader
from tests.cli.alerts_at_hand import ROOT, START, STEP, alert, environment, feedback_to_redis, point, to_kafka, to_redis
from tests.integration import harness

ALERTS = [alert("s-1"), alert("t-1"), alert("s-1", "closed")]


@pytest.mark.stack
def test_stream_returns_past_alerts_and_filters_by_series(unique_topics: Settings):
    to_kafka(unique_topics, [ALERTS[0], b"no alert", b"", b"[]", *ALERTS[1:]])
    with AlertStream(unique_topics, from_start=True, stop_at_end=True) as found:
        assert list(found) == ALERTS
    with AlertStream(unique_topics, from_start=True, stop_at_end=True, series="t-*") as found:
        assert list(found) == ALERTS[1:2]
    with AlertStream(unique_topics, stop_at_end=True) as found:
        assert list(found) == []


@pytest.mark.stack
def test_stream_starts_at_the_next_alert(unique_topics: Settings):
    to_kafka(unique_topics, ALERTS[:1])
    with AlertStream(unique_topics) as stream:
        found = iter(stream)
        sender = threading.Thread(target=to_kafka, args=(unique_topics, ALERTS[1:]))
        sender.start()
        assert [next(found), next(found)] == ALERTS[1:]
        sender.join()


@pytest.mark.stack
def test_consumer_group_resumes_and_repeats_unfinished_alerts(unique_topics: Settings):
    to_kafka(unique_topics, ALERTS)

    def take(count):
        with AlertStream(unique_topics, group="pager", from_start=True, stop_at_end=True) as stream:
            return [one for one, _ in zip(stream, range(count), strict=False)]

    found = iter(AlertStream(unique_topics, group="pager", from_start=True, stop_at_end=True))
    assert next(found) == ALERTS[0]
    assert take(3) == ALERTS, "the first was being handled"
    assert take(3) == []
    to_kafka(unique_topics, ALERTS[:1])
    assert take(3) == ALERTS[:1]
    with AlertStream(unique_topics, group="another", from_start=True, stop_at_end=True) as stream:
        assert len(list(stream)) == 4


@pytest.mark.stack
def test_missing_topic_is_named(unique_topics: Settings):
    elsewhere = unique_topics.model_copy(update={"topics": unique_topics.topics.model_copy(update={"alerts": "nope"})})
    with pytest.raises(StackError, match=r"topic nope does not exist at .*; 'eddy up' creates it"):
        AlertStream(elsewhere)


def test_unreachable_services_are_named():
    (port,) = free_ports(1)
    away = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": f"127.0.0.1:{port}", "request_timeout_ms": 1000},
            "redis": {"port": port, "timeout_ms": 100},
        }
    )
    with pytest.raises(StackError, match=f"Kafka at 127.0.0.1:{port} does not answer"):
        AlertStream(away)
    with pytest.raises(StackError, match=f"Redis at 127.0.0.1:{port} does not answer"):
        LiveState(away).open_incidents()


@pytest.mark.stack
def test_live_state_is_read_from_redis(unique_topics: Settings):
    later = alert("t-1", start=START + STEP, severity=90)
    to_redis(
        unique_topics,
        [*ALERTS, alert("u-1"), later],
        [point(), point(model="y", score=None, limit=None, state="anomalous")],
        [point(ts=START + k * STEP, value=None if k == 2 else float(k)) for k in range(4)],
    )
    live = LiveState(unique_topics)
    assert live.open_incidents() == [later, alert("u-1"), alert("t-1")]
    assert live.alerts() == [later, alert("u-1"), *reversed(ALERTS)]
    assert live.alerts(1) == [later]
    assert live.alert(ALERTS[0].id) == ALERTS[2], "the last message of the incident"
    assert live.alert("0" * 16) is None

    state = live.series("s-1")
    assert state is not None
    assert (state.ts, state.values, state.state) == (START, {"value": 1.0}, "anomalous")
    assert (state.model, state.score, state.threshold) == ("y", None, None)
    assert set(state.models) == {"z", "y"}
    assert state.models["z"]["score"] == 0.5
    assert state.models["z"]["lower"] == {"value": None}
    assert live.series("s-2") is None

    recent = live.recent("s-1", "z")
    assert [p.ts for p in recent] == [START + k * STEP for k in range(4)]
    assert [p.values["value"] for p in recent] == [0.0, 1.0, None, 3.0]
    assert (recent[0].upper, recent[0].score, recent[0].threshold, recent[0].imputed) == ({"value": 4.0}, 0.5, 3.0, 1)
    assert [p.ts for p in live.recent("s-1", "z", 2)] == [START + 2 * STEP, START + 3 * STEP]
    assert live.recent("s-1", "nobody") == []
    live.close()


@pytest.mark.stack
def test_example_consumer_prints_each_alert_once_and_resumes(unique_topics: Settings):
    to_kafka(unique_topics, [*ALERTS, ALERTS[0]])

    def committed():
        reader = TopicReader(unique_topics, "alerts", "print-alerts-example")
        try:
            return reader.consumer.committed(reader.partitions[0]) or 0
        finally:
            reader.close()

    def lines(last, handled):
        """What it prints up to a line with a word, until its place is behind so many messages."""
        command = [sys.executable, "docs/examples/print_alerts.py"]
        env = environment(unique_topics) | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env)
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        found: list[str] = []
        assert process.stdout is not None
        try:
            while not found or (found[-1] and last not in found[-1]):
                found.append(process.stdout.readline())
            harness.until(lambda: committed() >= handled, "its place is committed")
        finally:
            deadline.cancel()
            process.kill()
            process.wait()
        return found

    assert [line.split()[2:4] for line in lines("closed", 4)] == [["open", "s-1"], ["open", "t-1"], ["closed", "s-1"]]
    to_kafka(unique_topics, [alert("v-1")])
    again = lines("v-1", 5)
    assert "v-1" in again[-1]
    assert len(again) == 1, "what was handled does not come again"


@pytest.fixture
def plant(unique_topics: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Show the plant of the docstrings' examples: an open incident, one that is over, a suppressed one, a group."""
    members = [{"series": f"fan-{k}", "id": f"{k}" * 16, "severity": 70} for k in (2, 3)]
    opened = alert("pump-1", severity=80)
    alerts = [
        opened,
        alert("fan-1"),
        alert("fan-1", "closed"),
        alert("pump-2", suppressed="maintenance: plant"),
        alert("group:3f", kind="group", members=members, member_count=2),
    ]
    points = [point("pump-1", START + k * STEP, value, model="pumps") for k, value in enumerate((1.0, 2.0, 9.0))]
    to_kafka(unique_topics, alerts)
    to_redis(unique_topics, alerts, [point("pump-1", value=9.0, state="open", model="pumps")], points)
    feedback_to_redis(unique_topics, Feedback(opened.id, "pump-1", "z", "ack", "ann", START, START, START))
    for name, value in as_environment(unique_topics).items():
        monkeypatch.setenv(name, value)
    return unique_topics


@pytest.mark.stack
@pytest.mark.usefixtures("plant")
@pytest.mark.parametrize("module", [client, paging], ids=lambda module: module.__name__)
def test_examples_in_docstrings_print_what_they_show(module: ModuleType):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


@pytest.mark.parametrize("door", [AlertStream, LiveState], ids=lambda door: door.__name__)
def test_every_call_of_the_client_has_an_example(door: type):
    calls: list[type | FunctionType] = [
        door,
        *(call for name, call in inspect.getmembers(door, inspect.isfunction) if not name.startswith("_")),
    ]
    without = [call.__qualname__ for call in calls if not doctest.DocTestParser().get_examples(call.__doc__ or "")]
    assert without == []
