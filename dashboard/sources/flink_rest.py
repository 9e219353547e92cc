"""Read the job's health, rate and lag from Flink's REST API."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

from eddy.dashboard.sources.availability import Watch
from eddy.flink_rest import ENDED_STATES, FlinkError
from eddy.flink_rest import FlinkRest as RestClient

_CONNECT_SECONDS, _ANSWER_SECONDS = 0.5, 2.0
_COUNTERS = ("events", "late", "duplicate", "bad", "windows", "alerts", "held_dropped", "models_refused")
_GAUGES = ("series", "series_without_model", "models", "redis_away_seconds")
#: seconds that names of metrics are kept: a counter appears only once it has counted (such as the first late event)
_NAMES_SECONDS = 10.0
_OFFSET = re.compile(r"\.topic\.(.+)\.partition\.(\d+)\.currentOffset$")


@dataclass(frozen=True)
class Checkpoints:
    """Hold the running job's checkpoint statistics. Times are epoch ms, durations ms, sizes bytes."""

    completed: int = 0
    failed: int = 0
    last_at: int = 0
    last_ms: int = 0
    last_bytes: int = 0
    restored: int = 0


@dataclass(frozen=True)
class JobHealth:
    """Hold the job's state as Flink reports it.

    Attributes:
        name, id, state: of the job; ``state`` is "none" where no job of that name was ever started there.
        started: epoch ms.
        counters: Eddy's own metrics, summed over the subtasks.
        read_to: by partition of the observations topic, the offset behind the last message that the job has read.
        busy: share of time that the busiest operator works, 0-1; None = not reported.
        slots_free, slots: of the cluster.
        workers: TaskManagers.
        failure: why the job restarted or failed last.
    """

    name: str
    id: str = ""
    state: str = "none"
    started: int = 0
    counters: dict[str, float] = field(default_factory=dict)
    read_to: dict[int, int] = field(default_factory=dict)
    busy: float | None = None
    slots: int = 0
    slots_free: int = 0
    workers: int = 0
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    failure: str = ""
    read_at: float = 0.0  # monotonic seconds


class FlinkRest:
    """Read one cluster.

    Args:
        address: ``host:port``.
        job: name of the job.
        topic: of the observations.
    """

    def __init__(self, address: str, job: str, topic: str) -> None:
        self.watch = Watch("Flink", address)
        self._job = job
        self._rest = RestClient(address, connect_seconds=_CONNECT_SECONDS, answer_seconds=_ANSWER_SECONDS, direct=True)
        self._topic = topic.replace(".", "_")  # as Flink writes it in the names of metrics
        self._metrics: tuple[str, float, dict[str, list[str]]] = ("", 0.0, {})  # job, time of listing, by vertex

    def read(self) -> JobHealth | None:
        """Return the job's health now; None while Flink is away."""
        try:
            health = self._health()
        except FlinkError as error:
            self.watch.away(error.reason)
            return None
        except (ValueError, KeyError) as error:
            self.watch.away(str(error)[:200] or type(error).__name__)
            return None
        self.watch.answers()
        return health

    def _health(self) -> JobHealth:
        cluster = self._rest.overview()
        around = {
            "slots": cluster["slots-total"],
            "slots_free": cluster["slots-available"],
            "workers": cluster["taskmanagers"],
            "read_at": time.monotonic(),
        }
        jobs = [job for job in self._rest.jobs() if job["name"] == self._job]
        if not jobs:
            return JobHealth(self._job, **around)
        job = max(jobs, key=lambda job: (job["state"] not in ENDED_STATES, job["start-time"]))
        number = job["jid"]
        found = {"id": number, "state": job["state"], "started": job["start-time"], **around}
        if job["state"] in {"FAILED", "RESTARTING", "FAILING"}:
            found["failure"] = next(iter(self._rest.exceptions(number)), "")
        if job["state"] in ENDED_STATES:
            return JobHealth(self._job, **found)
        found |= self._measured(number)
        return JobHealth(self._job, **found, checkpoints=self._checkpoints(number))

    def _measured(self, job: str) -> dict[str, Any]:
        counters: dict[str, float] = {}
        read_to: dict[int, int] = {}
        busy: list[float] = []
        for vertex, names in self._names(job).items():
            for item in self._rest.metrics(job, vertex, names):
                name, total = item["id"], item.get("sum")
                if ".eddy." in name and total is not None:
                    key = name.split(".eddy.")[1]
                    counters[key] = counters.get(key, 0.0) + total
                elif place := _OFFSET.search(name):
                    if place[1] == self._topic and item.get("max", -1) >= 0:
                        read_to[int(place[2])] = int(item["max"]) + 1
                elif name == "busyTimeMsPerSecond" and isinstance(item.get("max"), float | int):
                    busy.append(item["max"] / 1000)
        busy = [share for share in busy if share == share]  # noqa: PLR0124  NaN: not measured
        return {"counters": counters, "read_to": read_to, "busy": max(busy, default=None)}

    def _names(self, job: str) -> dict[str, list[str]]:
        """Return the metrics to read, by vertex; list them again now and then, as new ones appear while a job runs."""
        of, at, names_by_vertex = self._metrics
        if of != job or time.monotonic() - at > _NAMES_SECONDS:
            names_by_vertex = {}
            for vertex in self._rest.job(job)["vertices"]:
                names_by_vertex[vertex["id"]] = list(filter(_interesting, self._rest.metric_names(job, vertex["id"])))
            if any(name.endswith(".eddy.events") for names in names_by_vertex.values() for name in names):
                self._metrics = (job, time.monotonic(), names_by_vertex)
        return names_by_vertex

    def _checkpoints(self, job: str) -> Checkpoints:
        found = self._rest.checkpoints(job)
        counts, last = found.get("counts", {}), (found.get("latest") or {}).get("completed") or {}
        return Checkpoints(
            completed=counts.get("completed", 0),
            failed=counts.get("failed", 0),
            restored=counts.get("restored", 0),
            last_at=last.get("latest_ack_timestamp", 0),
            last_ms=last.get("end_to_end_duration", 0),
            last_bytes=last.get("state_size", 0),
        )


def _interesting(name: str) -> bool:
    if ".eddy." in name:
        return name.split(".eddy.")[1] in {*_COUNTERS, *_GAUGES}
    return name == "busyTimeMsPerSecond" or bool(_OFFSET.search(name))
