"""What came from outside reaches no terminal and no log as it came: every listing is driven with hostile names."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from eddy.cli import printing
from eddy.client import AlertStream
from eddy.flink_job.model_updates.version_tracker import ModelVersionTracker
from eddy.ops.job_checks import examine_job
from eddy.settings import Settings
from eddy.texts import is_printable
from eddy.training.data import feedback_labels
from eddy.training.registry.registry import Registry
from tests.cli.alerts_at_hand import alert, eddy, to_kafka, to_redis
from tests.integration import harness
from tests.models.small_models import manifest

HOSTILE = 'a\x1b[31mb\nFAKE line\u202ec\u2028d\x9b2J[bold]"; rm -rf ~ #'


def check(text: str) -> str:
    """Nothing that a terminal obeys, and no line that a name has made."""
    for line in text.split("\n"):
        assert is_printable(line), ascii(line)
        assert not line.startswith("FAKE"), text
    return text


@pytest.mark.stack
def test_alerts_of_hostile_series_are_printed_as_escapes(unique_topics: Settings) -> None:
    one = alert(HOSTILE, suppressed=HOSTILE, values={HOSTILE: 1.0})
    to_redis(unique_topics, [one])
    to_kafka(unique_topics, [one])
    for arguments in (
        ["alerts", "list"], ["alerts", "list", "--json"], ["alerts", "show", one.id],
        ["alerts", "show", one.id, "--json"], ["alerts", "list", "--open"],
    ):  # fmt: skip
        done = eddy(unique_topics, *arguments)
        check(done.stdout + done.stderr)
        assert done.returncode == 0
        assert "FAKE line" in done.stdout or "--open" in arguments
    assert json.loads(eddy(unique_topics, "alerts", "list", "--json").stdout)["series"] == HOSTILE
    check(eddy(unique_topics, "alerts", "show", HOSTILE).stderr)
    check(eddy(unique_topics, "alerts", "ack", one.id, "--by", "ann").stdout)


@pytest.mark.stack
def test_models_dead_letters_and_doctor_print_hostile_keys_as_escapes(
    unique_topics: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    key = HOSTILE.encode()
    with harness.producer(unique_topics) as client:
        for role in ("models", "alerts", "feedback"):
            client.send(unique_topics.topics.name(role), key=key, value=HOSTILE.encode()).get(30)
        headers = [(name, key) for name in ("reason", "detail", "topic", "partition", "offset")]
        for _ in range(2):  # the most frequent reason is the one that doctor names
            client.send(unique_topics.topics.name("dlq"), key=key, value=key, headers=headers).get(30)
        client.send(unique_topics.topics.name("dlq"), key=b"\xff", value=None, headers=[("reason", b"\xff")]).get(30)
    for arguments in (
        ["models", "list"],
        ["models", "list", "--json"],
        ["dlq", "list"],
        ["dlq", "replay", "--dry-run"],
    ):
        done = eddy(unique_topics, *arguments)
        assert "FAKE line" in check(done.stdout + done.stderr)
    check(eddy(unique_topics, "models", "show", HOSTILE).stderr)
    said = [f"{one.name} {one.found} {one.todo}" for one in examine_job(unique_topics) if "FAKE" in one.name + one.todo]
    assert len(said) == 2
    assert all("eddy models withdraw 'a\\x1b" in one or "eddy dlq list --reason 'a\\x1b" in one for one in said), said
    for one in said:
        check(one)
    with AlertStream(unique_topics, from_start=True, stop_at_end=True) as stream, caplog.at_level(logging.WARNING):
        assert list(stream) == []
        feedback_labels.read(unique_topics)
    own = [one.getMessage() for one in caplog.records if one.name.startswith("eddy.")]  # kafka-python may warn, too
    assert len(own) == 2
    for message in own:
        check(message)


def test_log_of_a_refused_model_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    tracker: Any = object.__new__(ModelVersionTracker)
    tracker._emit = lambda event: None
    with caplog.at_level(logging.WARNING):
        tracker._refuse(HOSTILE, f"because {HOSTILE}")
    check(caplog.messages[0])


def test_names_are_no_markup() -> None:
    assert printing.cell("net.if.in[eth0]").plain == "net.if.in[eth0]"
    check(printing.cell(HOSTILE).plain)
    assert manifest(series=("net.if.in[eth0]",)).series == ("net.if.in[eth0]",)


@pytest.mark.stack
def test_refused_version_is_not_listed_as_in_use(unique_topics: Settings) -> None:
    trained = manifest()
    Registry(unique_topics).publish(trained, trained.inline_artifact() or b"")
    assert "in use" in eddy(unique_topics, "models", "list").stdout
    said = {"schema": 1, "ts": int(time.time() * 1000) + 1000, "job": "eddy", "event": "model-refused", "model": "z"}
    with harness.producer(unique_topics) as client:
        for value in (b"[", b"[]", b"7", json.dumps({**said, "reason": f"damaged {HOSTILE}"}).encode()):
            client.send(unique_topics.topics.name("events"), value=value).get(30)
    listed = check(eddy(unique_topics, "models", "list").stdout)
    assert "in use" not in listed
    assert "z version 1 is refused by the job: damaged a\\x1b" in listed.replace("\n", "")
    (model,) = json.loads(eddy(unique_topics, "models", "list", "--json").stdout)["models"]
    assert (model["stage"], model["refused"][:7]) == ("refused", "damaged")
