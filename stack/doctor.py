"""Check this machine and the stack, and suggest what to do about each problem: ``eddy doctor``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import redis
from kafka import codec
from kafka.errors import KafkaError

from eddy.configuration import flatten
from eddy.connections import redis_client
from eddy.errors import StackError
from eddy.flink_rest import FlinkError
from eddy.settings import Settings
from eddy.stack import flink, jars, ports, topics
from eddy.stack.local import Stack
from eddy.stack.paths import home

Level = Literal["ok", "warn", "fail"]

PYTHON = (3, 11)  # apache-flink 2.2.1 and its apache-beam have wheels for it
JAVA = (17, 21)  # what Flink 2.2 and Kafka 4.1 both run on
DISK_FAIL_GIB, DISK_WARN_GIB = 1.0, 5.0
GIB = 1024**3
PYTHON_WORKER_MIB = 1024  # torch and scikit-learn, loaded in one Python worker
CLOCK_SECONDS = 5.0
TOOL_SECONDS = 20


@dataclass(frozen=True)
class Check:
    """Hold one check's result, and what to do if it is not well."""

    name: str
    level: Level
    found: str
    todo: str = ""


def examine(settings: Settings) -> list[Check]:
    """Run all checks. Services that are not started are a warning: everything else can still be right."""
    found: list[Check] = []
    for checks in (_machine, _resources, _files, _stack, _kafka, _redis, _flink):
        found += checks(settings)
    return found


def _machine(settings: Settings) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] == PYTHON
    yield Check("python", "ok" if fits else "fail", version, "" if fits else "use Python 3.11 and './run setup'")
    for tool, package in (("java", "openjdk-17-jre-headless"), ("javac", "openjdk-17-jdk-headless")):
        level: Level = "fail" if tool == "java" else "warn"
        yield _version(tool, ["-version"], r"(\d+)(?:\.[\d.]+)?", package, level, JAVA)
    yield _version("mvn", ["-v"], r"Apache Maven ([\d.]+)", "maven", "warn")  # needed for set-up only
    yield _version("redis-server", ["--version"], r"v=([\d.]+)", "redis-server", "fail")
    for name, find in (("jars of Kafka", jars.kafka_classpath), ("jars of the job", jars.flink_jars)):
        yield _present(name, find)
    yield from _codecs()


def _codecs() -> Iterator[Check]:
    """Check that whatever a producer compresses with can be read, by our Python and by the job."""
    codecs = {"snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
    if missing := [name for name, has in codecs.items() if not has()]:
        found = f"{', '.join(missing)} cannot be read: commands and dashboard fail at topics that hold it"
        yield Check("codecs", "fail", found, "pip install 'kafka-python[lz4,snappy,zstd]'")
    else:
        yield Check("codecs", "ok", f"gzip, {', '.join(codecs)}")
    try:
        names = [jar.name for jar in jars.flink_jars()]
    except StackError:
        return  # told as missing jars
    if not any(name.startswith(jars.ZSTD) for name in names):
        found = f"no {jars.ZSTD} jar beside the others of the job: the first zstd batch would end it"
        todo = f"delete {home() / 'jars' / 'fetched'}, then {jars.SET_UP}"
        yield Check("codecs of the job", "fail", found, todo)


def _version(
    tool: str, arguments: list[str], pattern: str, package: str, missing: Level, majors: tuple[int, ...] = ()
) -> Check:
    install = f"install it, on Debian or Ubuntu: apt-get install {package}"
    path = shutil.which(tool)
    if path is None:
        return Check(tool, missing, "not found on PATH", install)
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, timeout=TOOL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(tool, missing, f"{path} does not run: {error}", install)
    match = re.search(pattern, done.stdout + done.stderr)
    if match is None:
        return Check(tool, missing, f"{path} does not show its version", install)
    if majors and int(match[1].split(".")[0]) not in majors:
        expected = " or ".join(map(str, majors))
        return Check(tool, missing, f"version {match[0]}, expected {expected}", f"{install}, and put it first on PATH")
    return Check(tool, "ok", match[0])


def _present(name: str, find: Callable[[], object]) -> Check:
    try:
        find()
    except StackError as error:
        return Check(name, "fail", str(error).split(";")[0], jars.SET_UP)
    return Check(name, "ok", "present")


def _resources(settings: Settings) -> Iterator[Check]:
    folder = Stack(settings).folder
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / GIB
    level: Level = "fail" if free < DISK_FAIL_GIB else "warn" if free < DISK_WARN_GIB else "ok"
    todo = "" if level == "ok" else f"make room, or set stack.data_dir (now {folder})"
    yield Check("disk", level, f"{free:.1f} GiB free at {existing}", todo)
    stack = settings.stack
    needed = stack.kafka_heap_mb + stack.jobmanager_memory_mb + stack.taskmanagers * stack.taskmanager_memory_mb
    needed += stack.taskmanagers * PYTHON_WORKER_MIB
    total = psutil.virtual_memory().total / GIB * 1024
    enough = total >= needed
    todo = "" if enough else "lower stack.taskmanager_memory_mb or stack.kafka_heap_mb"
    yield Check("memory", "ok" if enough else "warn", f"{total:.0f} MiB, the stack may use {needed}", todo)


def _files(settings: Settings) -> Iterator[Check]:
    """Check certificates and keys that the settings name; report only those that cannot be read."""
    for key, value in flatten(settings):
        if value and key.rpartition(".")[2] in {"ssl_cafile", "ssl_certfile", "ssl_keyfile"}:
            try:
                Path(value).read_bytes()
            except OSError as error:
                yield Check(
                    key, "fail", f"{value} cannot be read: {error.strerror}", f"correct {key}, or the file's rights"
                )


def _stack(settings: Settings) -> Iterator[Check]:
    stack = Stack(settings)
    states = stack.status()
    missing: Level = "fail" if any(state.pid for state in states) else "warn"  # one of several, or none was started
    for state in states:
        if state.pid is None:
            yield Check(f"process {state.name}", missing, "not running", f"see {stack.folder / 'logs'}; then: eddy up")
        elif state.problem:
            yield Check(f"process {state.name}", "fail", state.problem, f"see {state.log}; then eddy down, eddy up")
        else:
            yield Check(f"process {state.name}", "ok", f"pid {state.pid} {state.address}".rstrip())
    for key, port in stack.unused_ports().items():
        free = ports.is_free(port, settings.stack.host)
        todo = "" if free else f"end that process, or choose another port: --set {key}=…"
        found = "free" if free else f"held by {ports.holder(port)}"
        yield Check(f"port {port} ({key})", "ok" if free else "fail", found, todo)
    for key, clients, here in (
        ("kafka.bootstrap_servers", settings.kafka.bootstrap_servers, stack.kafka_address),
        ("redis.port", str(settings.redis.port), str(settings.stack.redis_port)),
    ):
        if clients != here:
            todo = f"to use the local stack: --set {key}={here}"
            yield Check(key, "warn", f"clients use {clients}, the local stack is at {here}", todo)


def _kafka(settings: Settings) -> Iterator[Check]:
    name, servers = "Kafka", settings.kafka.bootstrap_servers
    for server in servers.split(","):  # a plain connection first: the client's own first attempt takes half a minute
        host, _, port = server.strip().rpartition(":")
        if not port.isdigit() or not ports.answers(int(port), host):
            todo = "start it (eddy up), or correct kafka.bootstrap_servers"
            yield Check(name, _down(settings), f"{server} does not accept connections", todo)
            return
    try:
        wrong = topics.problems(settings)
    except KafkaError as error:
        yield Check(name, "fail", f"{servers}: {error}", "check the kafka.* security settings: eddy config show")
        return
    yield Check(name, "ok", f"{servers} answers")
    for problem in wrong:
        yield Check("topics", "fail", problem, "eddy up creates missing topics; change others with Kafka's own tools")
    if not wrong:
        yield Check("topics", "ok", "all there, the models topic is compacted")


def _redis(settings: Settings) -> Iterator[Check]:
    address = f"{settings.redis.host}:{settings.redis.port}"
    client = redis_client(settings.redis)
    try:
        seconds, micros = client.time()
    except redis.RedisError as error:
        todo = "start it (eddy up), or correct redis.host, redis.port and the credentials"
        yield Check("Redis", _down(settings), f"{address}: {error}", todo)
        return
    finally:
        client.close()
    yield Check("Redis", "ok", f"{address} answers")
    yield _clock("clock of Redis", seconds + micros / 1e6)


def _flink(settings: Settings) -> Iterator[Check]:
    address = flink.rest_address(settings.stack)
    try:
        overview = flink.rest(settings.stack).overview()
    except FlinkError as error:
        yield Check("Flink", _down(settings), f"{address}: {error.reason}", "start it: eddy up")
        return
    slots, needed = int(overview["slots-total"]), settings.job.parallelism
    enough = slots >= needed
    todo = "" if enough else "raise stack.slots or stack.taskmanagers, then eddy down, eddy up"
    found = f"{address} answers: {slots} slots ({overview['slots-available']} free), job.parallelism {needed}"
    yield Check("Flink", "ok" if enough else "fail", found, todo)


def _clock(name: str, seconds: float) -> Check:
    apart = abs(time.time() - seconds)
    ok = apart <= CLOCK_SECONDS
    todo = "" if ok else "set the clocks (NTP): latencies and event times depend on them"
    return Check(name, "ok" if ok else "warn", f"{apart:.1f} s from ours", todo)


def _down(settings: Settings) -> Level:
    """Return the level of a service that does not answer: a failure only if the stack is meant to be up."""
    return "fail" if any((Stack(settings).folder / "run").glob("*.json")) else "warn"
