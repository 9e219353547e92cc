"""Check that processes are found by their mark and end with their children, and that no other process is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from eddy.errors import StackError
from eddy.stack.process import Launch, Processes, last_complaint, marked

Eventually = Callable[..., None]
SLEEP = ["sleep", "600"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path, "test")
    yield found
    found.sweep(only_this_start=False)


def test_started_process_is_found_and_ended_by_another_instance(processes: Processes, tmp_path: Path) -> None:
    started = processes.start(Launch("service", SLEEP, {"stack.redis_port": 1}))
    other = Processes(tmp_path, "another start")
    found = other.running("service")
    assert found is not None
    assert (found.pid, found.ports) == (started.pid, {"stack.redis_port": 1})
    assert other.stop("service")
    assert processes.running("service") is None
    assert not other.stop("service")


def test_child_processes_end_with_their_parent(processes: Processes, eventually: Eventually) -> None:
    parent = processes.start(Launch("parent", ["sh", "-c", "sleep 601 & sleep 602 & wait"]))
    eventually(lambda: len(marked(processes.mark)) == 3)
    other = processes.start(Launch("other", SLEEP))
    processes.stop("parent")
    assert [process.pid for process in marked(processes.mark)] == [other.pid]
    assert not psutil.pid_exists(parent.pid)


def test_children_of_a_killed_process_are_ended(processes: Processes, eventually: Eventually) -> None:
    """A killed TaskManager leaves its Python workers: they hold memory, and nothing else ends them."""
    parent = processes.start(Launch("parent", ["sh", "-c", "sleep 601 & sleep 602 & wait"]))
    eventually(lambda: len(marked(processes.mark)) == 3)
    other = processes.start(Launch("other", SLEEP))
    os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: processes.running("parent") is None)
    assert not processes.stop("parent"), "it does not run"
    assert [process.pid for process in marked(processes.mark)] == [other.pid]


def test_process_that_ignores_sigterm_is_killed(processes: Processes, eventually: Eventually) -> None:
    stubborn = processes.start(
        Launch("stubborn", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    )
    output = processes.data_dir / "logs" / "stubborn.out"
    eventually(lambda: output.read_text() == "ready\n")
    processes.stop("stubborn", grace_seconds=0.2)
    assert not psutil.pid_exists(stubborn.pid)


@pytest.mark.parametrize("mark", [None, "/another/folder|id"])
def test_process_with_a_recycled_pid_is_never_killed(processes: Processes, mark: str | None) -> None:
    env = dict(os.environ) | ({"EDDY_STACK_INSTANCE": mark} if mark else {})
    with subprocess.Popen(SLEEP, env=env) as stranger:
        (processes.data_dir / "run").mkdir()
        record = {"pid": stranger.pid, "created": psutil.Process(stranger.pid).create_time(), "ports": {}, "log": ""}
        (processes.data_dir / "run" / "service.json").write_text(json.dumps(record))
        assert processes.running("service") is None
        assert not processes.stop("service")
        processes.sweep(only_this_start=False)
        assert stranger.poll() is None
        stranger.kill()


def test_pid_with_another_start_time_is_not_running(processes: Processes) -> None:
    processes.start(Launch("service", SLEEP))
    file = processes.data_dir / "run" / "service.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"created": 1.0}))
    assert processes.running("service") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": "x"}'])
def test_broken_pid_file_means_not_running(processes: Processes, content: str) -> None:
    (processes.data_dir / "run").mkdir()
    (processes.data_dir / "run" / "service.json").write_text(content)
    assert processes.running("service") is None


def test_failed_process_is_reported_with_its_error_and_log(processes: Processes, eventually: Eventually) -> None:
    command = ["sh", "-c", "echo fine; echo 'ERROR the disk is full'; echo '\tat code'; exit 3"]
    started = processes.start(Launch("service", command))
    eventually(lambda: processes.failure(started))
    message = processes.failure(started)
    assert message is not None
    assert "service ended with code 3" in message
    assert "service.out: ERROR the disk is full" in message


def test_missing_program_is_a_user_error(processes: Processes) -> None:
    with pytest.raises(StackError, match=r"^no-such-program is not installed; 'eddy doctor'"):
        processes.start(Launch("service", ["no-such-program"]))


def test_last_error_line_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert last_complaint(tmp_path / "absent") == ""


OWNER = """
    import signal, sys, time
    from pathlib import Path
    from eddy.stack import guardian
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests under nohup has it ignored
    from eddy.stack.process import Launch, Processes
    processes = Processes(Path(sys.argv[1]), "owner")
    guard = guardian.start(processes.mark, Path(sys.argv[1]) / "guardian.out")
    processes.start(Launch("parent", ["sh", "-c", "setsid sleep 603 & (trap '' TERM; sleep 604) & sleep 605 & wait"]))
    print(guard.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow  # one of the processes ignores SIGTERM, so that the guardian waits before it kills
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_no_process_outlives_its_owner(tmp_path: Path, eventually: Eventually, how: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path) as owner:
        assert owner.stdout is not None
        guardian_pid = int(owner.stdout.readline())
        prefix = f"{tmp_path}|"
        eventually(lambda: len(marked(prefix)) >= 4)  # one of them in a session of its own, one deaf to SIGTERM
        owner.send_signal(how)
    eventually(lambda: not marked(prefix))
    eventually(lambda: not psutil.pid_exists(guardian_pid))
