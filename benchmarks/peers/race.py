"""Run one system after the other over the same topic on the same cores, which the broker shares.

Each workload has a stack of its own: the topic is filled, Eddy runs with its shipped settings, then Flink and Redis end
and the peers run one by one. The rate of each is that between the first 20 % of the events and the last, by the times
at which the broker appended alerts (Spark: by the ends of its micro-batches). Start-up is reported separately. The
alerts are compared incident by incident.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measuring.machine import describe, keep_to
from benchmarks.measuring.message_forms import TOPIC
from benchmarks.measuring.message_forms import settings as form_settings
from benchmarks.measuring.running import own_topic, submitted, typical
from benchmarks.measuring.workload import Workload
from benchmarks.peers import alerts, environments
from benchmarks.peers.config import Config
from benchmarks.peers.export import export
from benchmarks.peers.systems import SYSTEMS, System
from benchmarks.peers.usage import Usage
from eddy.configuration import Configuration, load
from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.stack.local import Stack, isolated
from eddy.training.registry.registry import Registry

EDDY = "eddy"
EDDY_TITLE = "Eddy, shipped settings: keyed state, checkpoints every 10 s"
CORES = 2
DEADLINE_SECONDS = 900
SETTLE_SECONDS = 2.0
POLL_SECONDS = 1.0  # each poll takes CPU from the job, in the cluster and in this process


def run(
    works: Sequence[Workload], names: Sequence[str], overrides: Sequence[str], cores: int = CORES, rounds: int = 1
) -> dict[str, Any]:
    """Run all workloads over the named systems, so many times; keep each system's median run by rate."""
    keep_to(cores)
    results: list[dict[str, Any]] = []
    for work in works:
        found = [_once(work, names, overrides, cores) for _ in range(rounds)]
        results += [_middle([runs[at] for runs in found]) for at in range(len(found[0]))]
    return {"benchmark": "peers", "machine": describe(), "results": results}


def _once(work: Workload, names: Sequence[str], overrides: Sequence[str], cores: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(load([*form_settings(work.form), *overrides]).settings, Path(folder) / "stack")
        with Stack(settings, owned=True) as stack:
            return _Race(work, stack, Path(folder), cores).run(names)


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one system's median run, or one that failed or found other incidents, so that it is not missed."""
    odd = [one for one in runs if "failed" in one or not one["equal"]]
    return odd[0] if odd else typical(runs, lambda one: float(one["events_per_second"]))


class _Race:
    """Run one workload."""

    def __init__(self, work: Workload, stack: Stack, folder: Path, cores: int) -> None:
        self._work, self._stack, self._folder, self._cores = work, stack, folder, cores
        self._bootstrap = stack.kafka_address
        self._manifest, self._content = work.model()
        export(work, self._manifest, self._content, folder / "model")
        self._roots = {state.name: state.pid for state in stack.status() if state.pid}

    def run(self, names: Sequence[str]) -> list[dict[str, Any]]:
        work = self._work
        entrants = [name for name in names if name == EDDY or work.kind in SYSTEMS[name].kinds]
        print(f"{work.kind}: filling the topic with {work.events:,} events …", file=sys.stderr)
        work.fill(self._stack.settings)
        found = []
        if EDDY in entrants:
            found.append(self._guarded(EDDY, EDDY_TITLE, {}, self._eddy))
        end_flink(self._roots)
        for name in entrants:
            if name != EDDY:
                system = SYSTEMS[name]
                packages = environments.versions(system.environment, system.packages)
                found.append(self._guarded(name, system.title, packages, lambda n=name, s=system: self._peer(n, s)))
        return _compared(found)

    def _guarded(self, name: str, title: str, versions: dict[str, str], measure: Any) -> dict[str, Any]:
        print(f"{self._work.kind}: {name} …", file=sys.stderr)
        head = {"system": name, "title": title, "workload": vars(self._work), "versions": versions}
        try:
            result = head | measure()
            print(f"    {result['events_per_second']:,} events/s", file=sys.stderr)
        except (StackError, AssertionError, subprocess.SubprocessError) as error:
            print(f"    failed: {str(error)[-1500:]}", file=sys.stderr)
            result = head | {"failed": str(error)[-1500:]}
        return result

    def _eddy(self) -> dict[str, Any]:
        settings = own_topic(self._stack.settings, EDDY)
        configuration = Configuration(settings, {})
        Registry(settings).publish(self._manifest, self._content)
        cluster = Cluster(self._stack.flink_address)
        with self._usage([pid for name, pid in self._roots.items() if name != "kafka"]) as (own, broker):
            began = time.time()
            job = submitted(configuration, cluster)
            while cluster.metrics(job).get("events", 0.0) < self._work.events:
                assert time.time() - began < DEADLINE_SECONDS, f"not done in time: {cluster.failure(job)}"
                time.sleep(POLL_SECONDS)
            time.sleep(SETTLE_SECONDS)  # the last alerts are still being written
        raised = alerts.of_incidents(alerts.read(self._bootstrap, settings.topics.name("alerts")))
        cluster.cancel(job)
        opened = [r.at for r in raised if r.value["state"] == "open"]
        marks = alerts.marks_of_alerts(opened, self._work.events)
        return self._figures(began, opened, marks, own, broker) | {"incidents": alerts.incidents_of_eddy(raised)}

    def _peer(self, name: str, system: System) -> dict[str, Any]:
        python = environments.python(system.environment)
        settings = own_topic(self._stack.settings, name)
        folder = self._folder / name
        folder.mkdir()
        config = Config(
            bootstrap=self._bootstrap,
            topic=settings.topics.name("observations") if self._work.form == "own" else TOPIC,
            alerts=settings.topics.name("alerts"),
            model=str(self._folder / "model"),
            kind=self._work.kind,
            events=self._work.events,
            cores=self._cores,
            folder=str(folder),
            form=self._work.form,
        )
        file = folder / "config.json"
        config.write(file)
        began = time.time()
        processes = system.start(config, file, python)
        try:
            with self._usage([process.pid for process in processes]) as (own, broker):
                for process in processes:
                    process.wait(max(1.0, DEADLINE_SECONDS - (time.time() - began)))
        finally:
            for process in processes:
                end(process)
        for process in processes:
            logs = "\n".join(log.read_text(errors="replace")[-1500:] for log in sorted(folder.glob("*.log")))
            assert process.returncode == 0, f"{name} ended with code {process.returncode}: {logs}"
        raised = alerts.read(self._bootstrap, config.alerts)
        assert raised, f"{name} raised no alert"
        times = [r.at for r in raised]
        marks = alerts.marks_of_alerts(times, self._work.events)
        if system.marks:
            marks = system.marks("".join(file.read_text() for file in sorted(folder.glob("*.out"))))
        points = [(r.value["series"], r.value["ts"]) for r in raised]
        figures = self._figures(began, times, marks, own, broker)
        return figures | {"points": len(set(points)), "incidents": alerts.incidents_of_points(self._work, points)}

    def _figures(
        self, began: float, times: Sequence[float], marks: Sequence[alerts.Mark], own: Usage, broker: Usage
    ) -> dict[str, Any]:
        assert len(times) > 10, f"only {len(times)} alerts: too few to tell a rate"
        first, last = alerts.steady(marks, self._work.events)
        assert last[0] > first[0], "too few events: all of the steady state is one moment"
        events = last[1] - first[1]
        return {
            "events_per_second": round(events / (last[0] - first[0])),
            "first_alert_seconds": round(times[0] - began, 1),
            "whole_run_seconds": round(marks[-1][0] - began, 1),
            "cpu_us_per_event": round(own.cpu_between(first[0], last[0]) / events * 1e6, 2),
            "broker_cpu_us_per_event": round(broker.cpu_between(first[0], last[0]) / events * 1e6, 2),
            "peak_rss_mb": round(own.peak_mb),
            "marks": len(marks),
        }

    @contextlib.contextmanager
    def _usage(self, roots: Sequence[int]) -> Iterator[tuple[Usage, Usage]]:
        own, broker = Usage(roots), Usage([self._roots["kafka"]])
        try:
            yield own, broker
        finally:
            own.close()
            broker.close()


def _compared(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare each system's incidents with those of the plain loop, or of the first that ran."""
    ran = [one for one in found if "incidents" in one]
    reference = next((one for one in ran if one["system"] == "plain-batch"), ran[0] if ran else None)
    for one in ran:
        theirs, own = reference["incidents"] if reference else set(), one["incidents"]
        one |= {
            "compared_with": reference["system"] if reference else "",
            "missing": len(theirs - own),
            "extra": len(own - theirs),
            "equal": theirs == own,
            "examples": sorted(map(str, theirs ^ own))[:6],
        }
    for one in ran:
        one["incidents"] = len(one["incidents"])
    return found


def end_flink(roots: Mapping[str, int]) -> None:
    """End Flink and Redis, which would take memory and CPU from the peers."""
    gone = [psutil.Process(pid) for name, pid in roots.items() if name != "kafka" and psutil.pid_exists(pid)]
    for process in gone:
        process.terminate()
    psutil.wait_procs(gone, timeout=30)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def workloads(
    kinds: str, events: int, others: int, series: int, base: Workload | None = None, form: str = "own"
) -> list[Workload]:
    """Return Z over ``events``, the more expensive ones over ``others``."""
    base = replace(base or Workload(), form=form)
    return [replace(base, kind=k, events=events if k == "Z" else others, series=series) for k in kinds]
