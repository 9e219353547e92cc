"""Check that bad input gives one clear message and loses nothing."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from eddy.flink_job import main
from eddy.ops.dead_letters import Replay
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.stack.ports import free_ports
from tests.integration import harness
from tests.integration.harness import eddy

pytestmark = pytest.mark.stack

FIFTY_MB = 50 * 1024 * 1024


def test_empty_topic_gives_no_alerts(stack: Stack, unique_topics: Settings) -> None:
    harness.publish(unique_topics, harness.model())
    harness.run_to_end(stack, unique_topics)
    assert harness.alerts(unique_topics) == []
    assert harness.read(unique_topics, "dlq") == []


def test_missing_topic_is_named(stack_settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    where = stack_settings.kafka.bootstrap_servers
    assert main.main(["--set", f"kafka.bootstrap_servers={where}", "--set", "topics.prefix=nowhere"]) == 2
    said = capsys.readouterr().err
    assert "nowhere.observations (topics.observations)" in said
    assert "'eddy topics create' makes them" in said


def test_unreachable_broker_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    assert main.main(["--set", f"kafka.bootstrap_servers=127.0.0.1:{port}"]) == 2
    said = capsys.readouterr().err
    assert f"Kafka does not answer at 127.0.0.1:{port}" in said
    assert said.count("\n") == 1, "one line"


def test_unknown_setting_suggests_the_nearest(unique_topics: Settings) -> None:
    done = eddy(unique_topics, "--set", "job.paralelism=2", "job", "state")
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        "unknown setting 'job.paralelism' from command line; did you mean 'job.parallelism'? "
        "'eddy config show' lists all"
    )


def test_message_of_50_mb_becomes_a_dead_letter_that_a_replay_can_complete(
    stack: Stack, unique_topics: Settings
) -> None:
    observations = harness.noise(["a"], 30, {("a", 20): 9.0})
    huge = b'{"series": "a", "ts": 1, "value": 1, "note": "' + b"x" * FIFTY_MB + b'"}'
    harness.publish(unique_topics, harness.model(limit=2.8))
    events = [harness.event(*o) for o in observations]
    harness.send(unique_topics, [*events[:10], ("a", huge), *events[10:]])
    harness.run_to_end(stack, unique_topics)
    (dead_letter,) = harness.read(unique_topics, "dlq")
    headers = {name: value.decode() for name, value in dead_letter.headers}
    assert (headers["reason"], headers["size"]) == ("oversized", str(len(huge)))
    assert headers["sha256"] == hashlib.sha256(huge).hexdigest()
    assert dead_letter.value == huge[:4096]
    expected = harness.offline([harness.model(limit=2.8)], observations)
    assert harness.plain(harness.alerts(unique_topics)) == harness.plain(expected)
    replay = Replay(unique_topics, "oversized")
    replay.run()
    assert replay.report() | {"topic": ""} == {
        "topic": "", "sent": 1, "found": 1, "gone": 0, "reasons": {"oversized": 1}, "dry_run": False, "complete": True,
        "returned": 0, "failed": {},
    }  # fmt: skip
    again = harness.read(unique_topics, "observations")[-1]
    assert (again.key, again.value) == (b"a", huge), "the whole observation"


@pytest.mark.own_stack("the command starts jobs with the addresses that it uses itself")
def test_job_can_be_submitted_stopped_and_resumed_from_the_command_line(stack: Stack, unique_topics: Settings) -> None:
    """Uses ``flink run -py`` as users do: submit, state, savepoint, stop, submit from the savepoint."""
    settings = unique_topics
    observations = harness.noise(["a"], 40, {("a", 30): 9.0})
    events = [harness.event(*o) for o in observations]
    harness.publish(settings, harness.model(limit=2.8))
    harness.send(settings, events[:20])
    with ThreadPoolExecutor() as pool:  # two at once, as by hand beside 'eddy up --watch': only one may get through
        tries = list(pool.map(lambda _: eddy(settings, "job", "submit", "--json"), range(2)))
    done, twice = sorted(tries, key=lambda tried: tried.returncode)
    assert done.returncode == 0, done.stderr
    assert twice.returncode == 2
    assert f"job {settings.job.name!r} is there already" in twice.stderr
    harness.until(lambda: '"events": 20.0' in eddy(settings, "job", "state", "--json").stdout, "20 events in the state")
    assert eddy(settings, "job", "savepoint").stdout.strip().startswith("file:")
    stopped = eddy(settings, "job", "stop")
    assert "savepoint file:" in stopped.stdout, stopped.stderr
    harness.send(settings, events[20:])
    again = eddy(settings, "job", "submit", "--from", stopped.stdout.split()[-1])
    assert again.returncode == 0, again.stderr
    harness.until(lambda: len(harness.alerts(settings)) == 2, "the alert after the restart")
    assert eddy(settings, "job", "stop").returncode == 0
    assert "no job named" in eddy(settings, "job", "state").stderr
    expected = harness.offline([harness.model(limit=2.8)], observations)
    assert harness.plain(harness.alerts(settings)) == harness.plain(expected)
