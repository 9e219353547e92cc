"""Run tests on a stack that is already running, as the ``docker``-marked tests do on the compose stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eddy.stack.local import Stack
from eddy.stack.paths import ROOT

HERE = Path(__file__).parent
RUN = "test_stream.py::test_late_early_and_duplicate_events_are_handled"
LEFT_OUT = "test_doctor.py::test_problems_of_a_running_job_are_named"


@pytest.mark.stack
@pytest.mark.own_stack("the tests inside would run again")
def test_tests_run_on_a_given_stack(stack: Stack) -> None:
    at = stack.settings.stack
    known = [f"kafka.bootstrap_servers={stack.kafka_address}", f"redis.port={at.redis_port}"]
    known += [f"stack.flink_rest_port={at.flink_rest_port}", f"stack.flink_identity={stack.flink_address.identity}"]
    # the job is told other names of the same places, as in containers
    inside = [f"kafka.bootstrap_servers=localhost:{at.kafka_port}", "redis.host=localhost"]
    options = [part for item in known for part in ("--stack", item)]
    options += [part for item in inside for part in ("--stack-inside", item)]
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-rs",
        "--tb=short",
        *options,
        HERE / RUN,
        HERE / LEFT_OUT,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "1 passed, 1 skipped" in done.stdout
    assert "not on a given stack: kills a worker" in done.stdout
    assert stack.status(), "its processes are left alone"
    assert all(service.running for service in stack.status())
