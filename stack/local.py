"""Start, await and end Kafka, Redis and Flink together: the embedded local stack as one object."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from eddy.errors import StackError
from eddy.flink_rest import RestAddress
from eddy.settings import Settings
from eddy.stack import class_archive, dashboard, flink, guardian, kafka_broker, logs, redis_server, topics
from eddy.stack.paths import data_dir
from eddy.stack.ports import free_ports, require_free
from eddy.stack.process import Launch, Processes, Running, wait_until

Problem = Callable[[Settings], str | None]

#: service -> (its launches, its problem if any); all start at once, in this order.
SERVICES: dict[str, tuple[Callable[[Settings, Path], list[Launch]], Problem]] = {
    "redis": (redis_server.launches, redis_server.problem),
    "kafka": (kafka_broker.launches, kafka_broker.problem),
    "flink": (flink.launches, flink.problem),
    dashboard.NAME: (dashboard.launches, dashboard.problem),
}


@dataclass(frozen=True)
class ServiceState:
    """Hold the state of one process of the stack, as ``eddy status`` shows it."""

    name: str
    pid: int | None  # None: not running
    address: str
    log: str
    problem: str | None  # None: healthy

    @property
    def running(self) -> bool:
        """Return whether all of the stack is there and healthy."""
        return self.pid is not None and self.problem is None


class Stack:
    """Run the stack of one data folder.

    ``with Stack(settings, owned=True) as stack:`` starts the missing processes, and ends those it started, at the end
    of the block or of this process, even by ``kill -9``. Without ``owned`` the services live on until :meth:`down`.
    """

    def __init__(self, settings: Settings, *, owned: bool = False) -> None:
        self.settings = settings
        self.folder = data_dir(settings.stack)
        self._owned = owned
        self._processes = Processes(self.folder, uuid.uuid4().hex[:12])
        self._started: list[str] = []
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Stack:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def kafka_address(self) -> str:
        """Return ``host:port`` of the broker."""
        return f"{self.settings.stack.host}:{self.settings.stack.kafka_port}"

    @property
    def dashboard_address(self) -> str:
        """Return the dashboard's address for a browser."""
        return f"http://{self.settings.stack.host}:{self.settings.stack.dashboard_port}"

    @property
    def flink_address(self) -> RestAddress:
        """Return ``host:port`` of Flink's REST API, as ``flink run -m`` takes it, and how it is reached."""
        return flink.rest_address(self.settings.stack)

    def client_command(self) -> list[str]:
        """Return the command that takes the place of ``flink`` with this cluster."""
        return flink.client_command(self.folder)

    def client_environment(self) -> dict[str, str]:
        """Return the variables with which ``flink run`` or a PyFlink client reaches this cluster and has its jars."""
        return flink.client_environment(self.folder)

    def up(self) -> list[str]:
        """Start the missing processes, wait until all of them serve, and create the topics.

        Returns:
            Names of the processes started; empty if all were there.

        Raises:
            StackError: a port is taken, a service does not start, or does not answer in ``stack.wait_seconds``.
        """
        deadline = time.monotonic() + self.settings.stack.wait_seconds
        with self.locked():
            if self._owned and self._guardian is None:
                self._guardian = guardian.start(self._processes.mark, self.folder / "logs" / "guardian.out")
            started: list[str] = []
            try:
                running = self._start_missing(started)
                self._await(running, deadline)
                logs.rotate(self.folder / "logs")
                topics.create_missing(kafka_broker.local_settings(self.settings), self.kafka_address, deadline)
            except BaseException:
                for name in reversed(started):
                    self._processes.stop(name)
                self._end_guardian()
                raise
            self._started += started
            return started

    def down(self) -> list[str]:
        """End the stack: the processes that this object started if it owns them, else all of this data folder.

        Returns:
            Names of the processes ended.
        """
        if not self.folder.exists():
            return []
        with self.locked():
            names = self._started if self._owned else self._known()
            ended = [name for name in reversed(names) if self._processes.stop(name)]
            self._processes.sweep(only_this_start=self._owned)
            class_archive.keep(self.folder, all_loaded=flink.ran_a_job(self.folder))
            self._started.clear()
            self._end_guardian()
            return ended

    def status(self) -> list[ServiceState]:
        """Return the state of every process of the stack, running or not."""
        logs.rotate(self.folder / "logs")
        stack = self.settings.stack
        addresses = {
            "redis": f"{stack.host}:{stack.redis_port}",
            "kafka": self.kafka_address,
            flink.JOBMANAGER: self.flink_address.url,
            dashboard.NAME: self.dashboard_address,
        }
        states = []
        for service, names in self._names().items():
            found = {name: self._processes.running(name) for name in names}
            trouble = SERVICES[service][1](self.settings) if any(found.values()) else None
            for name, process in found.items():
                problem = trouble if process else "not running"
                log, pid = (process.log, process.pid) if process else ("", None)
                states.append(ServiceState(name, pid, addresses.get(name, ""), log, problem))
        return states

    def unused_ports(self) -> dict[str, int]:
        """Return setting key -> port of the processes that are not running: these have to be free."""
        stack = self.settings.stack
        used = {
            "redis": {"stack.redis_port": stack.redis_port},
            "kafka": {"stack.kafka_port": stack.kafka_port, "stack.kafka_controller_port": stack.kafka_controller_port},
            flink.JOBMANAGER: {
                "stack.flink_rest_port": stack.flink_rest_port,
                "stack.flink_rpc_port": stack.flink_rpc_port,
            },
            dashboard.NAME: {"stack.dashboard_port": stack.dashboard_port},
        }
        if not dashboard.names(self.settings):
            del used[dashboard.NAME]
        down = [name for name in used if self._processes.running(name) is None]
        return {key: port for name in down for key, port in used[name].items()}

    def _start_missing(self, started: list[str]) -> dict[str, list[Running]]:
        """Start all missing processes; check every port before the first one starts."""
        running: dict[str, list[Running]] = {service: [] for service in SERVICES}
        missing: list[tuple[str, Launch]] = []
        for service, (launches, _) in SERVICES.items():
            names = self._names()[service]
            self._leaderless(names)
            present = {name: self._processes.running(name) for name in names}
            alive = [process for process in present.values() if process]
            running[service] += alive
            if len(alive) == len(names):
                continue
            missing += [
                (service, launch) for launch in launches(self.settings, self.folder) if not present[launch.name]
            ]
        for _, launch in missing:
            require_free(launch.ports, self.settings.stack.host)
        for service, launch in missing:
            running[service].append(self._processes.start(launch))
            started.append(launch.name)
        self._check_ports(running)
        return running

    def _leaderless(self, names: list[str]) -> None:
        """End TaskManagers whose JobManager died: its jobs are started again, and must not run twice meanwhile."""
        if flink.JOBMANAGER in names and self._processes.running(flink.JOBMANAGER) is None:
            for name in names:
                self._processes.stop(name)

    def _check_ports(self, running: dict[str, list[Running]]) -> None:
        values = self.settings.stack.model_dump()
        for process in (process for group in running.values() for process in group):
            for key, port in process.ports.items():
                if values[key.removeprefix("stack.")] != port:
                    message = f"{process.name} already runs with {key}={port}; run 'eddy down' first to change that"
                    raise StackError(message)

    def _await(self, running: dict[str, list[Running]], deadline: float) -> None:
        for service, (_, problem) in SERVICES.items():
            while trouble := problem(self.settings):
                for process in running[service]:
                    if failure := self._processes.failure(process):
                        raise StackError(failure)
                if not wait_until(deadline):
                    logs = ", ".join(process.log for process in running[service])
                    waited = f"{self.settings.stack.wait_seconds:g} s (stack.wait_seconds)"
                    raise StackError(f"{trouble}, after {waited}; see {logs}")

    def _names(self) -> dict[str, list[str]]:
        workers = flink.taskmanager_names(self.settings.stack)
        services = {"redis": ["redis"], "kafka": ["kafka"], "flink": [flink.JOBMANAGER, *workers]}
        return {**services, dashboard.NAME: dashboard.names(self.settings)}

    def _known(self) -> list[str]:
        """Return all processes that ever ran here, those of other settings (more TaskManagers) included."""
        return sorted(file.stem for file in (self.folder / "run").glob("*.json"))

    def _end_guardian(self) -> None:
        if self._guardian:
            self._guardian.kill()
            self._guardian.wait()
            self._guardian = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Allow one change at a time, also among processes: two ``eddy up`` must not both find nothing running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "stack.lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def isolated(settings: Settings, folder: Path) -> Settings:
    """Return the same settings for a stack of its own: another data folder, free ports, and clients that use them."""
    kafka, controller, redis, rest, rpc, dashboard = free_ports(6, settings.stack.host)
    ports = {
        "kafka_port": kafka,
        "kafka_controller_port": controller,
        "redis_port": redis,
        "flink_rest_port": rest,
        "flink_rpc_port": rpc,
        "dashboard_port": dashboard,
    }
    host = settings.stack.host
    return settings.model_copy(
        update={
            "stack": settings.stack.model_copy(update={"data_dir": str(folder), **ports}),
            "kafka": settings.kafka.model_copy(update={"bootstrap_servers": f"{host}:{kafka}"}),
            "redis": settings.redis.model_copy(update={"host": host, "port": redis}),
        }
    )
