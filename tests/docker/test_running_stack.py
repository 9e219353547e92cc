"""Build the images, start the compose stack and run the integration tests on it; needs a Docker engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from eddy.flink_job.client.submission import IMAGE_PYTHON
from eddy.stack.paths import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
FILES = [part for name in ("compose", "flink-port") for part in ("-f", str(ROOT / "docker" / f"{name}.yaml"))]
COMPOSE = ["docker", "compose", *FILES, "-p", "eddy-test"]
LASTING = ("kafka", "redis", "jobmanager", "taskmanager", "trainer", "dashboard")
SLOTS = {"TASK_SLOTS": "8"}  # one is the compose file's own job's
#: how the tests reach it, and how the job does: compose.yaml publishes the one and names the other
OUTSIDE = ("kafka.bootstrap_servers=127.0.0.1:19092", "redis.port=16379", "stack.flink_rest_port=18081")
INSIDE = ("kafka.bootstrap_servers=kafka:9092", "redis.host=redis", "redis.port=6379")


def engine() -> bool:
    if not shutil.which("docker"):
        return False
    questions = (["docker", "info"], ["docker", "compose", "version"])
    return all(subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in questions)


@pytest.fixture(scope="module")
def composed() -> Iterator[None]:
    if not engine():
        pytest.skip("no engine with 'docker compose' here: the integration tests did not run on the compose stack")
    try:
        # '--wait' takes a container that ended for one that failed, however it ended, if nothing waits for it: the
        # job's submission is a step of its own.
        env = {**os.environ, **SLOTS}
        subprocess.run([*COMPOSE, "up", "--build", "--wait", "-d", *LASTING], env=env, check=True)
        subprocess.run([*COMPOSE, "run", "--rm", "job"], env=env, check=True)
        yield
    finally:
        subprocess.run([*COMPOSE, "down", "--volumes"], check=False)


def test_integration_tests_pass_on_the_compose_stack(composed: None) -> None:
    """Runs all tests but those marked ``own_stack``; ``test_given_stack.py`` does the same on a local stack."""
    options = [part for item in OUTSIDE for part in ("--stack", item)]
    options += [part for item in INSIDE for part in ("--stack-inside", item)]
    command = [sys.executable, "-m", "pytest", "-rs", "--tb=short", *options, "--stack-python", IMAGE_PYTHON]
    done = subprocess.run([*command, "tests/integration"], cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-20_000:])
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_compose_service_is_running(composed: None) -> None:
    listed = subprocess.run([*COMPOSE, "ps", "--format", "json"], capture_output=True, text=True, check=True).stdout
    services = [json.loads(line) for line in listed.splitlines() if line.strip()]
    assert {s["Service"] for s in services} >= set(LASTING)
    assert all(s["State"] == "running" for s in services)
