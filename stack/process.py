"""Start the stack's processes in a session of their own, mark them as ours, find them again, and end them.

Every process of the stack, and every process that one of those starts, inherits the environment variable
``EDDY_STACK_INSTANCE`` = ``<data folder>|<id of the start>``. A process is ours only if it carries that mark, so a
recycled process number is never killed, and a Python worker that outlives its TaskManager is found all the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from eddy.errors import StackError
from eddy.stack import whole_files

MARK_VARIABLE = "EDDY_STACK_INSTANCE"
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.1
CLOCK_SLACK_SECONDS = 2.0  # psutil derives a start time from the boot time, which moves a little with the clock
TAIL_BYTES = 20_000


@dataclass(frozen=True)
class Launch:
    """Describe how to start one process of the stack."""

    name: str
    argv: Sequence[str]
    ports: Mapping[str, int] = field(default_factory=dict)  # setting key -> port that it listens on
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None  # its own log, where it keeps one; what it prints goes to <name>.out


@dataclass(frozen=True)
class Running:
    """Describe a process of the stack that is alive."""

    name: str
    pid: int
    ports: Mapping[str, int]
    log: str
    mark: str


class Processes:
    """Manage the processes of one data folder."""

    def __init__(self, data_dir: Path, start_id: str) -> None:
        self.data_dir = data_dir
        self.prefix = f"{data_dir}|"
        self.mark = f"{self.prefix}{start_id}"
        self._pids = data_dir / "run"
        self._logs = data_dir / "logs"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, launch: Launch) -> Running:
        """Start a process; it is not yet healthy when this returns."""
        self._end_left(launch.name)
        for folder in (self._pids, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        output = self._logs / f"{launch.name}.out"
        env = {**os.environ, **launch.env, MARK_VARIABLE: self.mark}
        # Appended to, so that a file that is cut while the process runs is filled from its beginning.
        with open(os.open(output, os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_WRONLY, 0o666), "wb") as sink:
            try:
                child = subprocess.Popen(
                    list(launch.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C at the terminal must reach Eddy only, which then stops in order
                    cwd=self.data_dir,
                    env=env,
                )
            except FileNotFoundError:
                message = f"{launch.argv[0]} is not installed; 'eddy doctor' says what to install"
                raise StackError(message) from None
        self._children[launch.name] = child
        log = str(launch.log or output)
        record = {"pid": child.pid, "created": _created(child.pid), "ports": dict(launch.ports), "log": log}
        whole_files.write(self._pid_file(launch.name), json.dumps(record))
        return Running(launch.name, child.pid, launch.ports, log, self.mark)

    def _end_left(self, name: str) -> None:
        """End the processes that one of that name left when it was killed: the workers of a TaskManager."""
        try:
            session = int(json.loads(self._pid_file(name).read_text())["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        end([process for process in marked(self.prefix) if _session(process.pid) == session], grace_seconds=0)

    def running(self, name: str) -> Running | None:
        """Return the process of that name, if it is alive and ours."""
        try:
            record = json.loads(self._pid_file(name).read_text())
            pid, created = int(record["pid"]), float(record["created"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        mark = mark_of(pid)
        if not mark.startswith(self.prefix) or abs(_created(pid) - created) > CLOCK_SLACK_SECONDS:
            return None
        return Running(name, pid, record["ports"], record["log"], mark)

    def failure(self, running: Running) -> str | None:
        """Return why the process ended, or None while it lives."""
        child = self._children.get(running.name)
        if child is None:
            ended = self.running(running.name) is None
            return f"{running.name} ended; see {running.log}" if ended else None
        if child.poll() is None:
            return None
        complaint = last_complaint(Path(running.log)) or last_complaint(self._logs / f"{running.name}.out")
        return f"{running.name} ended with code {child.returncode}; see {running.log}" + (
            f": {complaint}" if complaint else ""
        )

    def stop(self, name: str, grace_seconds: float = GRACE_SECONDS) -> bool:
        """End one process and all that it started; return False if it was not running."""
        found = self.running(name)
        if found:
            end(_group(found), grace_seconds)
        else:
            self._end_left(name)  # else nobody would know of its workers once its file is gone
        if child := self._children.pop(name, None):
            if child.poll() is None:  # not found by its mark, but surely ours
                child.kill()
            child.wait()
        self._pid_file(name).unlink(missing_ok=True)
        return found is not None

    def sweep(self, *, only_this_start: bool) -> int:
        """End every process that still carries our mark; return how many."""
        left = marked(self.mark if only_this_start else self.prefix)
        end(left, GRACE_SECONDS)
        return len(left)

    def _pid_file(self, name: str) -> Path:
        return self._pids / f"{name}.json"


def mark_of(pid: int) -> str:
    """Return the mark that a process carries; empty for a process that has none, is gone, or is hidden from us."""
    try:
        return str(psutil.Process(pid).environ().get(MARK_VARIABLE, ""))
    except (psutil.Error, OSError):
        return ""


def marked(prefix: str) -> list[psutil.Process]:
    """Return all living processes except this one whose mark has the prefix."""
    found = []
    for pid in psutil.pids():
        if pid != os.getpid() and mark_of(pid).startswith(prefix):
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(pid))
    return found


def end(processes: Iterable[psutil.Process], grace_seconds: float) -> None:
    """Ask processes to end, and kill those that have not after the grace period."""
    asked = list(processes)
    for process in asked:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    left = _await_end(asked, grace_seconds)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _await_end(left, GRACE_SECONDS)


def _await_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for processes to end; return those that have not. A zombie has: its parent may be slow, or not ours."""
    deadline = time.monotonic() + seconds
    left = processes
    while left := [process for process in left if _alive(process)]:
        if not wait_until(deadline):
            break
    return left


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_until(deadline: float) -> bool:
    """Sleep one polling step; return False once the deadline (``time.monotonic`` clock) has passed."""
    if time.monotonic() >= deadline:
        return False
    time.sleep(POLL_SECONDS)
    return True


def last_complaint(log: Path) -> str:
    """Return the last line of a log that reports an error, or else its last line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    marks = ("ERROR", "FATAL", "Exception", "Error", "rror:")
    complaints = [line for line in lines if any(mark in line for mark in marks) and not line.startswith("at ")]
    return (complaints or lines or [""])[-1]


def _group(running: Running) -> list[psutil.Process]:
    """Return the process and those of its session that carry the same mark: its workers."""
    return [process for process in marked(running.mark) if _session(process.pid) == running.pid]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _created(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
