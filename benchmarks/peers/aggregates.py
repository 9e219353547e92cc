"""Race raw events into intervals of a minute: Eddy, which also judges them, beside Flink SQL, Bytewax and Quix Streams.

Run: ``eddy bench aggregates --form requests5 --events 3000000``, or ``python -m benchmarks.peers.aggregates`` with the
same options. All run one after the other over the same bytes on the same cores, which the broker shares. Eddy's rate is
that of its event counter; the others' that at which the broker appends the results of intervals. All leave out the
first 20 % and the last 5 %. The others' results are compared with the truth. Eddy writes no intervals, only alerts;
``tests/models/test_intervals.py`` compares its intervals with those of Polars.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.job import pipeline
from benchmarks.measuring.machine import describe, keep_to
from benchmarks.measuring.message_forms import TOPIC
from benchmarks.measuring.message_forms import settings as form_settings
from benchmarks.measuring.running import typical
from benchmarks.measuring.workload import START, Workload
from benchmarks.peers import alerts, environments, flink_windows, intervals
from benchmarks.peers.config import Config
from benchmarks.peers.race import end, end_flink
from benchmarks.peers.systems import WINDOW_SYSTEMS, System
from benchmarks.peers.totals import FOLDS, MINUTE
from benchmarks.peers.usage import Usage
from eddy.configuration import load
from eddy.connections import kafka_admin
from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.stack.local import Stack, isolated

EDDY, FLINK = "eddy", "flink-sql"
TITLES = {
    EDDY: "Eddy, shipped settings: aggregation and scoring, checkpoints every 10 s",
    FLINK: "Flink SQL, TUMBLE, checkpoints every 10 s",
}
SYSTEMS = (EDDY, FLINK, *WINDOW_SYSTEMS)
FORMS = tuple(FOLDS)
DEADLINE_SECONDS = 300  # of each system; of a slower peer, the rate of what it did by then is reported


def run(
    works: Sequence[Workload], names: Sequence[str], overrides: Sequence[str], cores: int = 2, rounds: int = 1
) -> dict[str, Any]:
    """Run all forms over the named systems, so many times; keep each system's median run by rate."""
    assert START % MINUTE == 0
    keep_to(cores)
    results: list[dict[str, Any]] = []
    for work in works:
        expected = intervals.truth(work)
        found = [_Race(work, expected, list(overrides), cores).run(names) for _ in range(rounds)]
        results += [_middle([runs[at] for runs in found]) for at in range(len(names))]
    return {"benchmark": "aggregates", "machine": describe(), "results": results}


def workloads(forms: Sequence[str], events: int, series: int) -> list[Workload]:
    """Return the workload of each form."""
    return [replace(Workload("Z", events, series), form=form) for form in forms]


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one system's median run, or one that failed or whose results differ, so that it is not missed."""
    odd = [one for one in runs if "failed" in one or one["equal"] is False]
    return odd[0] if odd else typical(runs, lambda one: float(one["events_per_second"]))


class _Race:
    """Run the systems over one workload; Eddy has a stack of its own, the others share one topic."""

    def __init__(self, work: Workload, expected: dict[Any, Any], overrides: list[str], cores: int) -> None:
        self._work, self._expected, self._overrides, self._cores = work, expected, overrides, cores

    def run(self, names: Sequence[str]) -> list[dict[str, Any]]:
        found = {}
        if EDDY in names:
            found[EDDY] = self._guarded(EDDY, TITLES[EDDY], {}, self._eddy)
        others = [name for name in names if name != EDDY]
        if others:
            with tempfile.TemporaryDirectory() as folder:
                changed = ["stack.dashboard=false", *form_settings(self._work.form), *self._overrides]
                with Stack(isolated(load(changed).settings, Path(folder) / "stack"), owned=True) as stack:
                    found |= self._others(others, stack, Path(folder))
        return [found[name] for name in names]

    def _others(self, names: Sequence[str], stack: Stack, folder: Path) -> dict[str, dict[str, Any]]:
        self._work.fill(stack.settings)
        roots = {state.name: state.pid for state in stack.status() if state.pid}
        found = {}
        if FLINK in names:
            found[FLINK] = self._guarded(FLINK, TITLES[FLINK], {}, lambda: self._flink(stack, roots))
        end_flink(roots)
        for name in names:
            if name != FLINK:
                system = WINDOW_SYSTEMS[name]
                packages = environments.versions(system.environment, system.packages)
                peer = _Peer(name, system, stack, roots["kafka"], folder / name, self._cores)
                found[name] = self._guarded(name, system.title, packages, lambda p=peer: self._peer(p))
        return found

    def _guarded(self, name: str, title: str, versions: dict[str, str], measure: Any) -> dict[str, Any]:
        print(f"{self._work.form}: {name} …", file=sys.stderr)
        head = {"system": name, "title": title, "workload": vars(self._work), "versions": versions}
        head["load_before"] = round(os.getloadavg()[0], 2)
        try:
            result: dict[str, Any] = head | measure()
            print(f"    {result['events_per_second']:,} events/s, equal: {result['equal']}", file=sys.stderr)
        except (StackError, AssertionError, subprocess.SubprocessError) as error:
            print(f"    failed: {str(error)[-1500:]}", file=sys.stderr)
            result = head | {"failed": str(error)[-1500:]}
        return result

    def _eddy(self) -> dict[str, Any]:
        found = pipeline.run(self._work, self._overrides)
        cpu, memory = dict(found["cpu_us_per_event"]), found["peak_rss_mb"]
        broker = cpu.pop("kafka", 0.0)
        return {
            "events_per_second": found["events_per_second"],
            "cpu_us_per_event": round(sum(cpu.values()), 2),
            "broker_cpu_us_per_event": broker,
            "peak_rss_mb": sum(size for name, size in memory.items() if name != "kafka"),
            "finished": True,
            "equal": None,
        }

    def _flink(self, stack: Stack, roots: dict[str, int]) -> dict[str, Any]:
        topic = _results_topic(stack, FLINK)
        own = Usage([pid for name, pid in roots.items() if name != "kafka"])
        broker = Usage([roots["kafka"]])
        try:
            job = flink_windows.submitted(self._work.form, topic, stack)
            Cluster(stack.flink_address).wait(job, "FINISHED", seconds=DEADLINE_SECONDS)
        finally:
            own.close()
            broker.close()
        return self._figures(stack.kafka_address, topic, own, broker) | {"finished": True}

    def _peer(self, peer: _Peer) -> dict[str, Any]:
        finished, own, broker = peer.run(self._work)
        return self._figures(peer.bootstrap, peer.topic, own, broker) | {"finished": finished}

    def _figures(self, bootstrap: str, topic: str, own: Usage, broker: Usage) -> dict[str, Any]:
        found = [intervals.of_message(raised) for raised in alerts.read(bootstrap, topic)]
        steady = intervals.steady(found, self._work.series, intervals.complete(self._work))
        return {
            "events_per_second": steady.rate,
            "cpu_us_per_event": round(own.cpu_between(steady.first, steady.last) / steady.events * 1e6, 2),
            "broker_cpu_us_per_event": round(broker.cpu_between(steady.first, steady.last) / steady.events * 1e6, 2),
            "peak_rss_mb": round(own.peak_mb),
        } | intervals.compared(found, self._expected)


class _Peer:
    """Run one peer's processes over the topic."""

    def __init__(self, name: str, system: System, stack: Stack, broker: int, folder: Path, cores: int) -> None:
        self.bootstrap, self.topic = stack.kafka_address, _results_topic(stack, name)
        self._name, self._system, self._broker, self._folder, self._cores = name, system, broker, folder, cores

    def run(self, work: Workload) -> tuple[bool, Usage, Usage]:
        """Return whether it finished in time, its usage, and the broker's."""
        python = environments.python(self._system.environment)
        self._folder.mkdir()
        config = Config(
            bootstrap=self.bootstrap,
            topic=TOPIC,
            alerts=self.topic,
            model="",
            kind=self._system.kinds,
            events=work.events,
            cores=self._cores,
            folder=str(self._folder),
            form=work.form,
        )
        file = self._folder / "config.json"
        config.write(file)
        until = time.monotonic() + DEADLINE_SECONDS
        processes = self._system.start(config, file, python)
        own, broker = Usage([process.pid for process in processes]), Usage([self._broker])
        finished = True
        try:
            for process in processes:
                process.wait(max(1.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            finished = False
        finally:
            own.close()
            broker.close()
            for process in processes:
                end(process)
        codes = [process.returncode for process in processes]
        logs = "\n".join(log.read_text(errors="replace")[-1500:] for log in sorted(self._folder.glob("*.log")))
        assert not (finished and any(codes)), f"{self._name} ended with codes {codes}: {logs}"
        return finished, own, broker


def _results_topic(stack: Stack, name: str) -> str:
    """Create a topic for one system's results, whose messages the broker stamps: one clock for every system."""
    topic = f"bench.intervals.{name}"
    admin = kafka_admin(stack.settings.kafka)
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1, "configs": config}})
    admin.close()
    return topic


if __name__ == "__main__":
    from eddy_command import main

    sys.argv[:1] = ["eddy", "bench", "aggregates"]
    sys.exit(main())
