"""Run the steps of each Dockerfile in a clean folder: order, pins, build scripts and entry points."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eddy.stack.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # installs all packages, twice
SUBMIT = (
    "/opt/eddy/venv/bin/python -m eddy.cli job submit jobmanager:8081 --target=remote --flink=/opt/flink/bin/flink"
    " --python=/opt/eddy/venv/bin/python --jars-present --print"
)
TRAINER = "/opt/eddy/venv/bin/python -c 'import torch, dash, eddy.training.trainer.service, eddy.producers.sender'"


@pytest.mark.parametrize(
    ("image", "commands", "said"),
    [
        ("job", [SUBMIT, "ls /opt/flink/lib"], ["flink run --detached", "eddy-flink.jar", "flink-sql-connector-kafka"]),
        ("services", [TRAINER, "/opt/eddy/venv/bin/python -m eddy.cli trainer --help"], ["eddy 0", "Serve training"]),
    ],
)
def test_dockerfile_steps_work_in_a_clean_folder(
    image: str, commands: list[str], said: list[str], tmp_path: Path
) -> None:
    namespace = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "true"]
    if subprocess.run(namespace, capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no mount namespace ('unshare'): the Dockerfiles' steps were not performed")
    runs = [part for command in commands for part in ("--run", command)]
    script: list[str | Path] = [
        sys.executable,
        ROOT / "docker" / "rehearse.py",
        ROOT / "docker" / f"{image}.Dockerfile",
    ]
    done = subprocess.run([*script, tmp_path / "image", *runs], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for text in said:
        assert text in done.stdout
