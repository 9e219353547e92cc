"""Check the real stack: it starts, serves, leaves other processes alone, and ends completely."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from eddy.errors import StackError
from eddy.settings import Settings
from eddy.stack import flink, topics
from eddy.stack.doctor import examine
from eddy.stack.local import Stack, isolated
from eddy.stack.paths import ROOT
from eddy.stack.ports import free_ports, is_free
from eddy.stack.process import marked

Eventually = Callable[..., None]

OWNER = """
    import sys, time
    from eddy.settings import Settings
    from eddy.stack.local import Stack
    with Stack(Settings.model_validate_json(sys.argv[1]), owned=True):
        print("up", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return isolated(Settings(), tmp_path)


@pytest.fixture
def left(settings: Settings) -> Iterator[Callable[[], list[psutil.Process]]]:
    """What still runs of the stack; whatever a failed test leaves is ended."""
    prefix = f"{Stack(settings).folder}|"
    yield lambda: marked(prefix)
    Stack(settings).down()


def held_ports(settings: Settings) -> list[int]:
    stack = settings.stack
    ports = [
        stack.kafka_port,
        stack.kafka_controller_port,
        stack.redis_port,
        stack.flink_rest_port,
        stack.flink_rpc_port,
        stack.dashboard_port,
    ]
    return [port for port in ports if not is_free(port)]


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """Addresses and ports at which these processes accept connections."""
    found = set()
    for process in processes:
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found.add((connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port))
    return found


@pytest.mark.stack
def test_up_is_idempotent_and_down_ends_all_processes(
    settings: Settings, left: Callable[[], list[psutil.Process]], eventually: Eventually
) -> None:
    stack = Stack(settings)
    names = ["redis", "kafka", "jobmanager", "taskmanager-1", "dashboard"]
    assert stack.up() == names
    pids = [state.pid for state in stack.status()]
    assert all(state.running for state in stack.status())
    assert [check for check in examine(settings) if check.level == "fail"] == []
    assert topics.problems(settings) == []
    assert {address for address, _ in listening(left())} == {"127.0.0.1"}
    slots = flink.rest(settings.stack).overview()["slots-total"]
    assert slots == settings.stack.slots

    again = Stack(settings, owned=True)
    assert again.up() == []
    assert again.down() == []  # it started nothing, so it ends nothing
    assert [state.pid for state in Stack(settings).status()] == pids

    redis = next(state for state in stack.status() if state.name == "redis")
    assert redis.pid
    os.kill(redis.pid, signal.SIGKILL)
    eventually(lambda: next(c for c in examine(settings) if c.name == "process redis").level == "fail", 20)
    assert stack.up() == ["redis"]

    moved = settings.model_copy(update={"stack": settings.stack.model_copy(update={"kafka_port": 1})})
    with pytest.raises(StackError, match=r"kafka already runs with stack\.kafka_port=\d+; run 'eddy down'"):
        Stack(moved).up()

    with subprocess.Popen(
        ["redis-server", "--save", "", "--port", str(free_ports(1)[0])], stdout=subprocess.DEVNULL
    ) as stranger:
        assert sorted(Stack(settings).down()) == sorted(names)
        assert stranger.poll() is None
        stranger.terminate()
    assert left() == []
    assert held_ports(settings) == []
    assert Stack(settings).down() == []


@pytest.mark.stack
def test_killing_the_owner_ends_all_processes(
    settings: Settings, left: Callable[[], list[psutil.Process]], eventually: Eventually
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(OWNER), settings.model_dump_json()]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        assert len(left()) == 5
        owner.send_signal(signal.SIGKILL)
    eventually(lambda: not left() and not held_ports(settings), 30)


def test_taken_port_is_refused_before_anything_starts(
    settings: Settings, left: Callable[[], list[psutil.Process]]
) -> None:
    port = settings.stack.flink_rest_port  # checked last, so the others must not have been started first
    expected = rf"^port {port} \(stack\.flink_rest_port\) is held by pid {os.getpid()} "
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StackError, match=expected):
        Stack(settings, owned=True).up()
    assert left() == []


def test_service_that_fails_to_start_is_reported_and_the_others_end(
    settings: Settings, left: Callable[[], list[psutil.Process]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "redis-server"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'Fatal error, cannot open the append only file'\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(StackError, match=r"^redis ended with code 1; see .*: Fatal error, cannot open"):
        Stack(settings).up()
    assert left() == []


def test_isolated_settings_point_at_their_own_stack(settings: Settings) -> None:
    assert settings.kafka.bootstrap_servers == Stack(settings).kafka_address
    assert settings.redis.port == settings.stack.redis_port
