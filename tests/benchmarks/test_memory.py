"""Read the memory in use from running JVMs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.measuring.memory import Memory, alive
from eddy.stack.local import Stack
from tests.integration.harness import until


@pytest.mark.stack
def test_broker_memory_is_read_after_a_collection(stack: Stack) -> None:
    pid = next(state.pid for state in stack.status() if state.name == "kafka")
    assert pid
    found = alive(pid)
    assert found is not None
    assert 5 < found.heap < 1.05 * stack.settings.stack.kafka_heap_mb
    assert 1 < found.metaspace < 200  # little where classes are mapped from an archive
    assert found.metaspace < found.outside < 2000


def test_process_that_is_not_a_jvm_survives() -> None:
    """jcmd sends SIGQUIT, which ends a process that does not catch it; background jobs of a shell ignore it."""
    ordinary = [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(3, signal.SIG_DFL); print(flush=True); time.sleep(60)",
    ]
    with subprocess.Popen(ordinary, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            assert alive(process.pid) is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
        finally:
            process.kill()


@pytest.mark.stack
def test_memory_of_every_process_is_sampled(stack: Stack) -> None:
    memory = Memory(stack.folder, collect_every=1)
    until(lambda: {"kafka", "redis", "jobmanager", "taskmanager"} <= set(memory.resident), "resident memory of each")
    until(lambda: {"kafka heap", "jobmanager heap", "taskmanager outside"} <= set(memory.alive), "each JVM asked")
    memory.close()
    figures = memory.figures()
    assert figures["redis"]["peak"] < figures["kafka"]["peak"]
