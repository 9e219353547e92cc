"""Check which packages the process that submits the job imports."""

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


def test_client_imports_no_worker_packages() -> None:
    subprocess.run([sys.executable, "-c", GRAPH], check=True)
