"""Cause common faults for real and check that ``eddy doctor`` names each and says what to do."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr

from eddy.connections import kafka_client
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.ops.job_checks import examine_job
from eddy.settings import Settings
from eddy.stack.doctor import Check, examine
from eddy.stack.local import Stack
from eddy.stack.process import marked
from tests.integration import harness

pytestmark = pytest.mark.stack


def find(checks: list[Check], name: str, level: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    assert found.level == level, found
    assert level == "ok" or found.todo, "says what to do"
    return found


def changed(settings: Settings, group: str, **values: object) -> Settings:
    return settings.model_copy(update={group: getattr(settings, group).model_copy(update=values)})


@pytest.mark.own_stack("looks at processes and ports of a stack of this machine")
def test_healthy_stack_without_a_job_has_no_failures(stack: Stack, unique_topics: Settings) -> None:
    assert [check for check in examine(unique_topics) if check.level == "fail"] == []
    checks = list(examine_job(unique_topics))
    find(checks, "job", "warn")
    find(checks, "models", "warn")
    find(checks, "dead letters", "ok")


def test_missing_and_unsuitable_topics_are_named(stack: Stack, unique_topics: Settings) -> None:
    missing = find(examine(changed(unique_topics, "topics", alerts="nowhere")), "topics", "fail")
    assert missing.found == "topic nowhere is missing"
    few = find(examine(harness.changed(unique_topics, parallelism=5)), "topics", "fail")
    assert "has 4 partitions, fewer than job.parallelism" in few.found
    admin = KafkaAdminClient(**kafka_client(unique_topics.kafka))
    name = f"{unique_topics.topics.prefix}.plain"
    admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()
    plain = find(examine(changed(unique_topics, "topics", models=name)), "topics", "fail")
    assert f"topic {name} has cleanup.policy=delete, expected compact" in plain.found


@pytest.mark.own_stack("looks at processes and ports of a stack of this machine")
def test_missing_slots_wrong_credentials_and_clock_skew_are_named(
    unique_topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = find(examine(harness.changed(unique_topics, parallelism=99)), "Flink", "fail")
    assert "job.parallelism 99" in short.found
    refused = find(examine(changed(unique_topics, "redis", password=SecretStr("wrong"))), "Redis", "fail")
    assert "credentials" in refused.todo
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)
    assert "from ours" in find(examine(unique_topics), "clock of Redis", "warn").found


def test_wrong_security_protocol_is_named(unique_topics: Settings) -> None:
    tls = changed(unique_topics, "kafka", security_protocol="SSL", request_timeout_ms=1000)
    assert "kafka.* security settings" in find(examine(tls), "Kafka", "fail").todo


def test_model_of_a_later_schema_and_dead_letters_are_named(unique_topics: Settings) -> None:
    later = harness.model("later").to_json().replace(b'"schema": 1', b'"schema": 9')
    with harness.producer(unique_topics) as client:
        client.send(unique_topics.topics.name("models"), key=b"later", value=later)
        for _ in range(3):
            client.send(unique_topics.topics.name("dlq"), value=b"{", headers=[("reason", b"not-json")])
    checks = list(examine_job(unique_topics))
    assert "upgrade the job first" in find(checks, "model later", "fail").found
    dead_letters = find(checks, "dead letters", "warn")
    assert dead_letters.found == "3 in all; of the last 3, 3 are 'not-json'"
    assert "eddy dlq list --reason not-json" in dead_letters.todo


def put_a_file_in_place_of(folder: Path) -> None:
    """Do so although the job writes there meanwhile, and makes the folder anew."""
    for attempt in itertools.count():
        folder.rename(folder.with_name(f"gone-{attempt}"))
        with contextlib.suppress(FileExistsError):
            folder.touch(exist_ok=False)
            return


@pytest.mark.own_stack("kills a worker and takes its checkpoints away")
def test_problems_of_a_running_job_are_named(stack: Stack, unique_topics: Settings, tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    settings = harness.changed(unique_topics, checkpoint_dir=checkpoints.as_uri(), checkpoint_interval_ms=500)

    def says(name: str, level: str, said: str) -> bool:
        found = [check for check in examine_job(settings) if check.name == name]
        return any(check.level == level and said in check.found and check.todo for check in found)

    def seen(name: str, level: str, said: str) -> None:
        harness.until(lambda: says(name, level, said), f"{name} {level} {said}", 60)

    with harness.running(stack, settings) as (cluster, number):
        harness.send(settings, [harness.event(*o) for o in harness.noise(["a", "b"], 5, {})])
        seen("series without a model", "warn", "2 series wait for a model")
        harness.publish(settings, replace(harness.model(), sha256="0" * 64))
        seen("refused models", "warn", "1 versions refused")
        harness.publish(settings, harness.model(version=2))
        cold = harness.model("cold", series=("b",), detector=RollingZScore(WindowSpec(10, 1, ("temperature",))))
        harness.publish(settings, cold)
        harness.until(lambda: cluster.metrics(number).get("models") == 2, "the models are in use")
        harness.send(settings, [harness.event("b", harness.START + 9 * harness.STEP, 1.0)])
        seen("features", "warn", "a series brings none of a model's features")
        harness.send(settings, [harness.event("a", harness.START - harness.STEP, 1.0)] * 3)
        seen("late events", "warn", "of 1")

        (worker, *_) = [p for p in marked(f"{stack.folder}|") if "beam_boot" in " ".join(p.cmdline())]
        os.kill(worker.pid, signal.SIGKILL)
        harness.until(lambda: cluster.exceptions(number), "the job noticed", 60)
        # A failure, for as long as it does not run: it may be over before a look is.
        harness.until(
            lambda: cluster.state(number) == "RUNNING" or says("job", "fail", settings.job.name), "it is a failure", 60
        )
        cluster.wait(number, seconds=120)
        assert "1 restarts, the last for:" in find(list(examine_job(settings)), "job", "ok").found

        put_a_file_in_place_of(checkpoints)
        seen("checkpoints", "fail", "the last 3 failed")
        checkpoints.unlink()
