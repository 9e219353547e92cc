"""What Eddy changes in other packages' modules, and whether the pinned versions still need it: if not, it can go."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORKER_PRINT = """
import builtins
from pyflink.fn_execution.beam.beam_sdk_worker_main import CustomPrint
replaced = builtins.print = CustomPrint(print).print
{ours}
import numba
assert builtins.print == replaced, "the worker's own print is back in its place"
"""
SAMPLER = """
import threading
from apache_beam.runners.worker.statesampler import StateSampler, get_current_tracker
from apache_beam.utils.counters import CounterFactory
{ours}
sampler = StateSampler("bundle", CounterFactory())
sampler.start()
print(threading.active_count() - 1)
assert get_current_tracker() is sampler and sampler.started and sampler.tracked_thread is threading.current_thread()
sampler.stop_if_still_running()
assert get_current_tracker() is None and sampler.finished
"""
CLIENT = """
import contextlib, sys
from eddy.flink_job.main import _without_beam
with {ours}():
    from pyflink.datastream.data_stream import DataStream
    from pyflink.fn_execution import flink_fn_execution_pb2
print("apache_beam" in sys.modules)
"""


def python(program: str, ours: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program.format(ours=ours)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def said(program: str, ours: str) -> str:
    done = python(program, ours)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_numba_cannot_be_imported_beside_the_workers_print() -> None:
    done = python(WORKER_PRINT, "")
    assert done.returncode, "numba no longer minds a replaced 'print': drop the exchange in flink_job/__init__.py"
    assert "has no attribute 'print'" in done.stderr
    said(WORKER_PRINT, "import flink_job")


def test_beam_starts_a_thread_for_each_bundle() -> None:
    assert said(SAMPLER, "") == "1", "Beam samples without a thread now: drop flink_job/operators/beam_sampler.py"
    assert (
        said(
            SAMPLER,
            "import eddy.flink_job.operators.beam_sampler; eddy.flink_job.operators.beam_sampler.stop_sampling()",
        )
        == "0"
    )


@pytest.mark.parametrize(("ours", "loaded"), [("contextlib.nullcontext", "True"), ("_without_beam", "False")])
def test_pyflinks_client_loads_beam(ours: str, loaded: str) -> None:
    drop = "PyFlink's client no longer loads Beam: drop _without_beam in flink_job/main.py"
    assert said(CLIENT, ours) == loaded, drop if ours != "_without_beam" else "Beam is loaded all the same"
