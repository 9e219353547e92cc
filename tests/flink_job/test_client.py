"""What the process that submits the job loads."""

from __future__ import annotations

import subprocess
import sys

GRAPH = """
import sys
from eddy.flink_job import main
with main._without_beam():
    from pyflink.fn_execution.flink_fn_execution_pb2 import UserDefinedDataStreamFunction
heavy = {"apache_beam", "numba", "torch", "pandas"} & set(sys.modules)
assert not heavy, sorted(heavy)
import apache_beam.coders
"""


def test_the_client_builds_the_graph_without_what_only_workers_need() -> None:
    subprocess.run([sys.executable, "-c", GRAPH], check=True)
