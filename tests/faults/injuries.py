"""Define the faults for the running system. Each is a function of the world and its stream; it returns a short text."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

import psutil

from eddy.stack.process import marked
from tests.faults.links import KAFKA, REDIS, TASKMANAGER
from tests.faults.proxy import Proxy
from tests.faults.world import Stream, World
from tests.integration.harness import until

Injury = Callable[[World, Stream], str]
SERVICES = {"taskmanager": "taskmanager-1", "jobmanager": "jobmanager", "broker": "kafka", "redis": "redis"}


def pid_of(world: World, service: str) -> int:
    """Return the process of a service, as soon as it runs: the previous fault may have hit it."""
    name = SERVICES[service]
    return int(until(lambda: {s.name: s.pid for s in world.stack.status()}[name], f"{name} runs", 120))


def kill(service: str) -> Injury:
    """``kill -9`` a service; the process that keeps the stack up starts it again."""

    def injure(world: World, stream: Stream) -> str:
        os.kill(pid_of(world, service), signal.SIGKILL)
        return f"kill -9 {service}"

    return injure


def kill_worker(world: World, stream: Stream) -> str:
    """``kill -9`` a Python worker, chosen at random."""
    workers = until(lambda: python_workers(world), "a Python worker", 60)
    os.kill(stream.rng.choice(workers), signal.SIGKILL)
    return "kill -9 Python worker"


def python_workers(world: World) -> list[int]:
    """Return the processes that run our Python in the TaskManagers."""
    found = []
    for process in marked(f"{world.stack.folder}|"):
        try:
            if "pyflink.fn_execution.beam.beam_boot" in " ".join(process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return sorted(found)


def two_at_once(world: World, stream: Stream) -> str:
    """Hit two different parts at the same moment."""
    parts: dict[str, Injury] = {"worker": kill_worker, **{name: kill(name) for name in SERVICES}}
    first, second = stream.rng.sample(sorted(parts), 2)
    parts[first](world, stream)
    parts[second](world, stream)
    return f"kill -9 {first} and {second}"


def pause(service: str, seconds: float) -> Injury:
    """Stop a process for a while: like a long garbage collection, a machine that swaps, a slow leader."""

    def injure(world: World, stream: Stream) -> str:
        process = pid_of(world, service)
        os.kill(process, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(process, signal.SIGCONT)
        return f"{service} stands still for {seconds:g} s"

    return injure


def cut(link: str, seconds: float) -> Injury:
    """End the connections of a link, and refuse new ones."""
    return _network(f"no connection to {link} for {seconds:g} s", link, Proxy.cut, seconds)


def silence(link: str, seconds: float) -> Injury:
    """Drop everything on a link without closing it, so that only a time-out notices."""
    return _network(f"silence on the way to {link} for {seconds:g} s", link, Proxy.silence, seconds)


def slow(link: str, delay: float, rate: int, seconds: float) -> Injury:
    """Delay a link and limit its bandwidth."""

    def narrow(proxy: Proxy) -> None:
        proxy.delay, proxy.rate = delay, rate

    what = f"{delay * 1000:g} ms and {rate // 1000} kB/s to {link} for {seconds:g} s"
    return _network(what, link, narrow, seconds)


def _network(what: str, link: str, harm: Callable[[Proxy], None], seconds: float) -> Injury:
    def injure(world: World, stream: Stream) -> str:
        for proxy in world.links[link]:
            harm(proxy)
        time.sleep(seconds)
        for proxy in world.links[link]:
            proxy.restore()
        return what

    return injure


#: kills of each kind in the full run: with two jobs under each, 20 tries; fewer for a quicker run
KILLS = int(os.environ.get("FAULTS_KILLS", "10"))

#: name -> (fault, number of times in the full run; each time on a job of either delivery)
INJURIES: Mapping[str, tuple[Injury, int]] = {
    "kill -9 Python worker": (kill_worker, KILLS),
    "kill -9 TaskManager": (kill("taskmanager"), KILLS),
    "kill -9 JobManager": (kill("jobmanager"), KILLS),
    "kill -9 broker": (kill("broker"), KILLS),
    "kill -9 Redis": (kill("redis"), KILLS),
    "kill -9 of two at once": (two_at_once, KILLS),
    "network to Kafka cut, 10 s": (cut(KAFKA, 10), 1),
    "network to Redis cut, 10 s": (cut(REDIS, 10), 1),
    "slow link to Kafka, 100 ms and 50 kB/s, 15 s": (slow(KAFKA, 0.1, 50_000, 15), 1),
    "slow link to Redis, 300 ms and 20 kB/s, 15 s": (slow(REDIS, 0.3, 20_000, 15), 1),
    "Redis away for a minute": (cut(REDIS, 60), 1),
    "JobManager and TaskManager cut off, 10 s": (cut(TASKMANAGER, 10), 1),
    "silence between JobManager and TaskManager, 40 s": (silence(TASKMANAGER, 40), 1),
    "slow link JobManager to TaskManager, 300 ms and 20 kB/s, 15 s": (slow(TASKMANAGER, 0.3, 20_000, 15), 1),
    "leader stands still, 15 s": (pause("broker", 15), 1),
    "TaskManager stands still, 15 s": (pause("taskmanager", 15), 1),
}
