"""Check that a process which a test forgets is found and ended, also one that its parent has left."""

from __future__ import annotations

import subprocess

import psutil
import pytest

from eddy.stack.ports import free_ports
from tests.left_processes import none_left


def test_forgotten_server_is_named_and_ended() -> None:
    with pytest.raises(AssertionError, match=r"left running by the tests: pid \d+: redis-server"), none_left(0.2):  # noqa: PT012
        command = ["redis-server", "--save", "", "--port", str(free_ports(1)[0])]
        forgotten = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    assert forgotten.wait(10) != 0


def test_orphan_in_a_session_of_its_own_is_found() -> None:
    with pytest.raises(AssertionError, match=r"pid \d+: sleep 600"), none_left(0.2):  # noqa: PT012
        shell = ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"]
        pid = int(subprocess.run(shell, capture_output=True, text=True, check=True).stdout)
        assert psutil.pid_exists(pid)


def test_process_that_has_ended_or_was_there_before_is_none() -> None:
    with subprocess.Popen(["sleep", "600"]) as before:
        with none_left(0.2):
            subprocess.run(["true"], check=True)
        before.kill()
