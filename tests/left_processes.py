"""Find the processes that a test run leaves behind: servers, Java, workers, and whatever else it started."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator

import psutil

#: with a value of this run's own in the environment of every process that the run starts, and that those start
MARK = "TEST_RUN_OF_EDDY"
#: not ours to end: PyFlink's gateway serves all tests, Python's own helpers of multiprocessing; both end with us
_LASTING = ("PythonGatewayServer", "multiprocessing.resource_tracker", "multiprocessing.forkserver")
_GRACE_SECONDS = 10.0  # processes that were asked to end shortly before


@contextlib.contextmanager
def none_left(grace_seconds: float = _GRACE_SECONDS) -> Iterator[None]:
    """Fail if a process that was started in the block still runs at its end; end it then.

    Raises:
        AssertionError: names the processes.
    """
    before = os.environ.get(MARK)
    mark = os.environ[MARK] = uuid.uuid4().hex
    known = {child.pid for child in psutil.Process().children(recursive=True)}
    try:
        yield
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before
    deadline = time.monotonic() + grace_seconds
    while (left := _left(mark, known)) and time.monotonic() < deadline:
        time.sleep(0.1)
    told = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            told.append(f"pid {process.pid}: {' '.join(process.cmdline())[:200]}")
            process.kill()
    assert not told, "left running by the tests: " + "; ".join(told)


def _left(mark: str, known: set[int]) -> list[psutil.Process]:
    children = [child for child in psutil.Process().children(recursive=True) if child.pid not in known]
    marked = [process for process in psutil.process_iter() if process.pid != os.getpid() and _mark(process) == mark]
    found = {process.pid: process for process in (*children, *marked)}
    return [process for process in found.values() if _counts(process)]


def _mark(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        return str(process.environ().get(MARK, ""))
    return ""


def _counts(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        command = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and not any(name in command for name in _LASTING)
    return False
