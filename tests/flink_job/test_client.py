"""Check which packages the process that submits the job imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eddy.configuration import load
from eddy.errors import SettingsError
from eddy.flink_job.client import preflight

GRAPH = """
import sys
from eddy.flink_job import main
with main._without_beam():
    from pyflink.fn_execution.flink_fn_execution_pb2 import UserDefinedDataStreamFunction
heavy = {"apache_beam", "numba", "torch", "pandas"} & set(sys.modules)
assert not heavy, sorted(heavy)
import apache_beam.coders
"""


def test_client_imports_no_worker_packages() -> None:
    subprocess.run([sys.executable, "-c", GRAPH], check=True)


@pytest.mark.parametrize(
    ("kind", "points", "said"),
    [
        ("isolation-forest", 0, "found 'isolation-forest', expected 'auto' or 'novelty'"),
        ("auto", 250, "learning.warmup_points: auto: start_up: found 250, expected 20 to 239"),
        ("nothing", 0, "detector 'nothing' is unknown"),
    ],
)
def test_cold_start_that_cannot_be_is_refused_before_submission(kind: str, points: int, said: str) -> None:
    settings = load([f"learning.cold_start={kind}", f"learning.warmup_points={points}"], environ={}).settings
    with pytest.raises(SettingsError, match=said):
        preflight.check(settings)


def test_input_sources_need_json_in_the_observations_topic() -> None:
    settings = load(['input=[{"topics": "plant"}]', "job.format=semicolons"], environ={}).settings
    with pytest.raises(SettingsError, match=r"job\.format: found 'semicolons' with input sources, expected json"):
        preflight.check(settings)
