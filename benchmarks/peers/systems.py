"""Start each peer, and read its progress."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.peers import environments
from benchmarks.peers.alerts import Mark
from benchmarks.peers.config import Config
from eddy.stack.paths import ROOT
from eddy.stack.ports import free_ports

SNAPSHOT_SECONDS = 10  # as for Eddy's checkpoints
HERE = Path(__file__).parent
Start = Callable[[Config, Path, Path], list[subprocess.Popen[bytes]]]


@dataclass(frozen=True)
class System:
    """Describe a peer.

    Attributes:
        title: name and kind of state, for tables.
        environment: name of its requirements.
        packages: packages whose versions are reported.
        start: starts its processes.
        kinds: workloads that it runs.
        marks: reads progress reports from its output; None: its alerts show its progress.
    """

    title: str
    environment: str
    packages: tuple[str, ...]
    start: Start
    kinds: str = "ZFL"
    marks: Callable[[str], list[Mark]] | None = None


def _spawn(command: list[str], log: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink, log.with_suffix(".out").open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=sink,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )


def _plain(mode: str) -> Start:
    def start(config: Config, file: Path, python: Path) -> list[subprocess.Popen[bytes]]:
        script = str(HERE / "plain_loop.py")
        return [_spawn([str(python), script, str(file), mode], Path(config.folder) / "plain.log")]

    return start


def _bytewax(flow: str) -> Start:
    """Start a process per core, as its documentation recommends for production."""

    def start(config: Config, file: Path, python: Path) -> list[subprocess.Popen[bytes]]:
        folder = Path(config.folder)
        recovery = folder / "recovery"
        recovery.mkdir()
        subprocess.run([str(python), "-m", "bytewax.recovery", str(recovery), str(config.cores)], check=True)
        addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(config.cores))
        run = [str(python), "-m", "bytewax.run", f"benchmarks.peers.{flow}:flow", "-r", str(recovery)]
        run += ["-s", str(SNAPSHOT_SECONDS), "-b", "0", "-a", addresses]
        env = {"PEER_CONFIG": str(file), "OMP_NUM_THREADS": "1"}
        return [_spawn([*run, "-i", str(i)], folder / f"bytewax-{i}.log", env) for i in range(config.cores)]

    return start


def _quix(script: str) -> Start:
    """Start a process per core in one consumer group."""

    def start(config: Config, file: Path, python: Path) -> list[subprocess.Popen[bytes]]:
        run = [str(python), str(HERE / script), str(file)]
        env = {"OMP_NUM_THREADS": "1"}
        return [_spawn([*run, str(i)], Path(config.folder) / f"quix-{i}.log", env) for i in range(config.cores)]

    return start


def _spark(config: Config, file: Path, python: Path) -> list[subprocess.Popen[bytes]]:
    """Use all cores in local mode; it starts a Python worker per task by itself."""
    env = {"PYSPARK_PYTHON": str(python), "OMP_NUM_THREADS": "1", "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [str(python), str(HERE / "spark_app.py"), str(file), environments.spark_jars()]
    return [_spawn(command, Path(config.folder) / "spark.log", env)]


def _spark_marks(output: str) -> list[Mark]:
    """Return the ends of its micro-batches, where its alerts come in bursts.

    A small remainder at the end, left by rounding, is not steady state: its fixed costs would count against Spark.
    """
    batches = [report for report in json.loads(output.strip().splitlines()[-1]) if report["numInputRows"]]
    if len(batches) > 1 and batches[-1]["numInputRows"] < batches[0]["numInputRows"] / 2:
        batches.pop()
    marks: list[Mark] = []
    done = 0
    for report in batches:
        done += report["numInputRows"]
        began = datetime.fromisoformat(report["timestamp"]).timestamp()
        marks.append((began + report["durationMs"]["triggerExecution"] / 1000, float(done)))
    return marks


SYSTEMS = {
    "plain-batch": System(
        "plain Python loop, batched, no durable state", "plain", ("confluent-kafka",), _plain("batch")
    ),
    "plain-event": System(
        "plain Python loop, per event, no durable state", "plain", ("confluent-kafka",), _plain("event"), "Z"
    ),
    "bytewax": System(
        "Bytewax, recovery on, a process per core", "bytewax", ("bytewax", "confluent-kafka"), _bytewax("bytewax_flow")
    ),
    "spark": System(
        "Spark Structured Streaming, transformWithStateInPandas, RocksDB", "spark", ("pyspark", "pandas", "pyarrow"),
        _spark, marks=_spark_marks,
    ),
    "quix": System(
        "Quix Streams, RocksDB and changelog, a process per core", "quix", ("quixstreams", "rocksdict"),
        _quix("quix_app.py"),
    ),
}  # fmt: skip

#: those that fold raw events into intervals; ``kinds`` is the kind of their configuration
WINDOW_SYSTEMS = {
    "bytewax": System(
        "Bytewax, fold_window, recovery on, a process per core", "bytewax", ("bytewax", "confluent-kafka"),
        _bytewax("bytewax_windows"), "event",
    ),
    "bytewax-batch": System(
        "Bytewax, each poll folded before fold_window, recovery on, a process per core", "bytewax",
        ("bytewax", "confluent-kafka"), _bytewax("bytewax_windows"), "batch",
    ),
    "quix": System(
        "Quix Streams, tumbling_window, RocksDB and changelog, a process per core", "quix",
        ("quixstreams", "rocksdict"), _quix("quix_windows.py"), "event",
    ),
}  # fmt: skip
