"""Run a job on a stock Flink distribution whose workers have Python 3.11 and no packages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.settings import Settings
from eddy.stack import guardian
from eddy.stack.jars import flink_home
from eddy.stack.ports import free_ports
from eddy.stack.process import MARK_VARIABLE, Launch, Processes
from tests.integration import harness
from tests.packaging.conftest import run

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]  # packs and unpacks half a gigabyte


@dataclass(frozen=True)
class Stock:
    """The cluster's REST address, and the Python that its workers find."""

    address: str
    python: Path


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    flink, folder = flink_home(), tmp_path / "stock"
    rest, rpc = free_ports(2)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "python", cwd=tmp_path)
    (folder / "conf").mkdir()
    for file in (flink / "conf").glob("*"):
        shutil.copy(file, folder / "conf")
    shipped = yaml.safe_load((flink / "conf" / "config.yaml").read_text())
    settings = {
        "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": rest,
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": rpc,
        "jobmanager.bind-host": "127.0.0.1",
        "jobmanager.memory.process.size": "1024m",
        "taskmanager.host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.memory.process.size": "1728m",
        "io.tmp.dirs": str(folder / "tmp"),
        "cluster.registration.error-delay": "500 ms",
    }
    (folder / "conf" / "config.yaml").write_text(yaml.safe_dump(settings, width=10_000))
    (folder / "tmp").mkdir()
    processes = Processes(folder, "stock")
    path = ":".join([str(folder / "python" / "bin"), str(Path(str(shutil.which("java"))).parent), "/usr/bin", "/bin"])
    clean = ["env", "-i", f"PATH={path}", f"{MARK_VARIABLE}={processes.mark}", f"FLINK_HOME={flink}"]
    clean += [f"FLINK_CONF_DIR={folder}/conf", f"FLINK_LOG_DIR={folder}/logs", f"FLINK_PID_DIR={folder}"]
    watch = guardian.start(processes.mark, folder / "guardian.out")
    try:
        for name in ("jobmanager", "taskmanager"):
            processes.start(Launch(name, [*clean, str(flink / "bin" / f"{name}.sh"), "start-foreground"]))
        yield Stock(f"127.0.0.1:{rest}", folder / "python" / "bin" / "python3.11")
    finally:
        processes.stop("taskmanager")
        processes.stop("jobmanager")
        processes.sweep(only_this_start=True)
        watch.kill()
        watch.wait()


def test_packed_job_runs_on_a_stock_cluster_with_plain_python(
    stock: Stock, unique_topics: Settings, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    """The installed package packs its own environment, and the job runs on workers without packages."""
    settings = unique_topics
    bare = subprocess.run([stock.python, "-c", "import numpy"], env={}, capture_output=True, text=True, check=False)
    assert "No module named 'numpy'" in bare.stderr
    model = harness.model(limit=2.8)
    events = harness.noise(["a", "b"], 60, {("a", 40): 50.0})
    harness.publish(settings, model)
    harness.send(settings, [harness.event(series, ts, value) for series, ts, value in events])

    eddy = installed("job") / "eddy"
    # no EDDY_HOME: the jars are those of the wheel; 'flink run' itself needs a Java runtime
    clean = {"PATH": f"{eddy.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    packed = json.loads(run(eddy, "job", "pack", "--out", "env.zip", "--json", cwd=tmp_path, env=clean))
    assert any(package.startswith("apache-flink==2.2") for package in packed["packages"])
    assert not any(package.startswith(("torch", "eddy")) for package in packed["packages"])
    changed = [
        f"kafka.bootstrap_servers={settings.kafka.bootstrap_servers}",
        f"redis.port={settings.redis.port}",
        f"redis.prefix={settings.redis.prefix}",
        f"topics.prefix={settings.topics.prefix}",
        f"job.name={settings.job.name}",
        "job.bounded=true",
    ]
    overrides = [part for item in changed for part in ("--set", item)]
    cluster = Cluster(stock.address)
    harness.until(lambda: _slots(cluster), "the stock cluster has a TaskManager")
    target = ["job", "submit", "--target", "remote", stock.address, "--archive", "env.zip", "--json"]
    number = json.loads(run(eddy, *overrides, *target, cwd=tmp_path, env=clean))["job"]
    cluster.wait(number, "FINISHED", seconds=180)
    found = harness.alerts(settings)
    assert found
    assert harness.plain(found) == harness.plain(harness.offline([model], events))


def _slots(cluster: Cluster) -> bool:
    try:
        return cluster.slots() > 0
    except StackError:  # not there yet
        return False
