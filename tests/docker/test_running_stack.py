"""The compose stack itself, where an engine is present: builds the images, streams, and looks for alerts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from eddy.configuration import load
from eddy.settings import Settings
from stack.paths import ROOT
from tests.integration import harness

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
COMPOSE = ["docker", "compose", "-f", str(ROOT / "docker" / "compose.yaml"), "-p", "eddy-test"]


def engine() -> bool:
    if not shutil.which("docker"):
        return False
    questions = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in questions)


@pytest.fixture(scope="module")
def composed() -> Iterator[Settings]:
    if not engine():
        pytest.skip("no Docker engine with 'docker compose' here: the compose stack was not run")
    try:
        subprocess.run([*COMPOSE, "up", "--build", "--wait", "-d"], env=dict(os.environ), check=True)
        yield load(["kafka.bootstrap_servers=127.0.0.1:19092", "redis.port=16379"], environ={}).settings
    finally:
        subprocess.run([*COMPOSE, "down", "--volumes"], check=False)


def test_alerts_of_the_compose_stack_are_those_of_the_engine(composed: Settings) -> None:
    model = harness.model(limit=2.8)
    events = harness.noise(["a", "b"], 60, {("a", 40): 9.0})
    harness.publish(composed, model)
    harness.send(composed, [harness.event(*event) for event in events])
    expected = harness.plain(harness.offline([model], events))

    def found() -> list[dict[str, object]]:
        return harness.plain(a for a in harness.alerts(composed) if a.model["name"] == model.name)

    harness.until(lambda: len(found()) >= len(expected), "as many alerts as offline", 120)
    assert found() == expected


def test_every_service_is_well(composed: Settings) -> None:
    listed = subprocess.run([*COMPOSE, "ps", "--format", "json"], capture_output=True, text=True, check=True).stdout
    services = [json.loads(line) for line in listed.splitlines() if line.strip()]
    assert {s["Service"] for s in services} >= {"kafka", "redis", "jobmanager", "taskmanager", "dashboard", "trainer"}
    assert all(s["State"] == "running" for s in services)
