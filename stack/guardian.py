"""End a stack when the process that owns it is gone, however it went (``kill -9`` included).

This is a process of its own: ``python -m eddy.stack.guardian <pid of the owner> <mark>``. It waits for the owner's end,
then ends everything that carries the mark. The owner ends the guardian itself once it has stopped the stack in order.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from eddy.stack.paths import ROOT
from eddy.stack.process import end, marked

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.5


def start(mark: str, log: Path) -> subprocess.Popen[bytes]:
    """Start the guardian of this process, and return once it watches."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "eddy.stack.guardian", str(os.getpid()), mark],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,
            env=env,
        )
    assert guardian.stdout is not None  # noqa: S101  it was asked for above
    guardian.stdout.read(1)  # nothing of the stack may start before it is guarded
    return guardian


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended."""
    if hasattr(os, "pidfd_open"):
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # a kernel or sandbox without it
            pass
        else:
            select.select([watched], [], [])
            return
    while psutil.pid_exists(pid):
        time.sleep(POLL_SECONDS)


def main(owner: int, mark: str) -> None:
    """Watch the owner, then end what carries the mark."""
    for ignored in (signal.SIGINT, signal.SIGHUP):  # the terminal's end concerns the owner, not the guardian
        signal.signal(ignored, signal.SIG_IGN)
    if os.getppid() == owner:  # else the owner ended while we started
        sys.stdout.write("!")
        sys.stdout.flush()
        wait_for_end(owner)
    while left := marked(mark):
        end(left, GRACE_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
