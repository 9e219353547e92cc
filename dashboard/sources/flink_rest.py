"""Flink: the job's health, rate and lag from the REST API."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from eddy.dashboard.sources.availability import Watch

_ENDED = {"FINISHED", "CANCELED", "FAILED"}
_CONNECT_SECONDS, _ANSWER_SECONDS = 0.5, 2.0
_COUNTERS = ("events", "late", "duplicate", "bad", "windows", "alerts", "held_dropped", "models_refused")
_GAUGES = ("series", "series_without_model", "models", "redis_away_seconds")
#: how long names of metrics hold: a counter is there only once it has counted (the first late event, say)
_NAMES_SECONDS = 10.0
_OFFSET = re.compile(r"\.topic\.(.+)\.partition\.(\d+)\.currentOffset$")


@dataclass(frozen=True)
class Checkpoints:
    """Of the running job: how many, and the last one. Times are epoch ms and ms, sizes bytes."""

    completed: int = 0
    failed: int = 0
    last_at: int = 0
    last_ms: int = 0
    last_bytes: int = 0
    restored: int = 0


@dataclass(frozen=True)
class JobHealth:
    """What Flink says of the job.

    Attributes:
        name, id, state: of the job; ``state`` is "none" where no job of that name was ever started there.
        started: epoch ms.
        counters: Eddy's own metrics, summed over the subtasks.
        read_to: by partition of the observations topic, the offset behind the last message that the job has read.
        busy: share of time that the busiest operator works, 0-1; None = it does not say.
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
    """Reads one cluster.

    Args:
        address: ``host:port``.
        job: name of the job.
        topic: of the observations.
    """

    def __init__(self, address: str, job: str, topic: str) -> None:
        self.watch = Watch("Flink", address)
        self._address, self._job = address, job
        self._topic = topic.replace(".", "_")  # as Flink writes it in the names of metrics
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business between two local processes
        self._metrics: tuple[str, float, dict[str, list[str]]] = ("", 0.0, {})  # of a job, looked up when: by vertex

    def read(self) -> JobHealth | None:
        """The job now; None while Flink is away."""
        try:
            health = self._health()
        except (requests.RequestException, ValueError, KeyError) as error:
            self.watch.away(_reason(error))
            return None
        self.watch.answers()
        return health

    def _health(self) -> JobHealth:
        cluster = self._get("/overview")
        around = {
            "slots": cluster["slots-total"],
            "slots_free": cluster["slots-available"],
            "workers": cluster["taskmanagers"],
            "read_at": time.monotonic(),
        }
        jobs = [job for job in self._get("/jobs/overview")["jobs"] if job["name"] == self._job]
        if not jobs:
            return JobHealth(self._job, **around)
        job = max(jobs, key=lambda job: (job["state"] not in _ENDED, job["start-time"]))
        number = job["jid"]
        found = {"id": number, "state": job["state"], "started": job["start-time"], **around}
        if job["state"] in {"FAILED", "RESTARTING", "FAILING"}:
            found["failure"] = self._failure(number)
        if job["state"] in _ENDED:
            return JobHealth(self._job, **found)
        found |= self._measured(number)
        return JobHealth(self._job, **found, checkpoints=self._checkpoints(number))

    def _measured(self, job: str) -> dict[str, Any]:
        counters: dict[str, float] = {}
        read_to: dict[int, int] = {}
        busy: list[float] = []
        for vertex, names in self._names(job).items():
            path = f"/jobs/{job}/vertices/{vertex}/subtasks/metrics"
            for item in self._get(path, get=",".join(names)) if names else ():
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
        """By vertex, which of its metrics are read; looked up now and then, for new ones appear while a job runs."""
        of, at, wanted = self._metrics
        if of != job or time.monotonic() - at > _NAMES_SECONDS:
            wanted = {}
            for vertex in self._get(f"/jobs/{job}")["vertices"]:
                listed = self._get(f"/jobs/{job}/vertices/{vertex['id']}/subtasks/metrics")
                wanted[vertex["id"]] = [item["id"] for item in listed if _interesting(item["id"])]
            if any(name.endswith(".eddy.events") for names in wanted.values() for name in names):
                self._metrics = (job, time.monotonic(), wanted)
        return wanted

    def _checkpoints(self, job: str) -> Checkpoints:
        found = self._get(f"/jobs/{job}/checkpoints")
        counts, last = found.get("counts", {}), (found.get("latest") or {}).get("completed") or {}
        return Checkpoints(
            completed=counts.get("completed", 0),
            failed=counts.get("failed", 0),
            restored=counts.get("restored", 0),
            last_at=last.get("latest_ack_timestamp", 0),
            last_ms=last.get("end_to_end_duration", 0),
            last_bytes=last.get("state_size", 0),
        )

    def _failure(self, job: str) -> str:
        entries = self._get(f"/jobs/{job}/exceptions").get("exceptionHistory", {}).get("entries", [])
        text = entries[0].get("stacktrace", "") if entries else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        told = [line for line in lines if "Caused by: " in line or "Error: " in line]
        return (told or lines or [""])[-1][:300]

    def _get(self, path: str, **params: str) -> Any:
        reply = self._session.get(
            f"http://{self._address}{path}", params=params, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS)
        )
        reply.raise_for_status()
        return reply.json()


def _interesting(name: str) -> bool:
    if ".eddy." in name:
        return name.split(".eddy.")[1] in {*_COUNTERS, *_GAUGES}
    return name == "busyTimeMsPerSecond" or bool(_OFFSET.search(name))


def _reason(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return str(error)[:200] or type(error).__name__
