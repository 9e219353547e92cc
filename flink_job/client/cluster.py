"""A running Flink cluster: submit the job through the stock ``flink`` command, steer it through the REST API."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from eddy.errors import StackError
from eddy.flink_job.client.submission import Submission

_REST_SECONDS = 10
_POLL_SECONDS = 0.2
_SUBMIT_SECONDS = 600  # a busy machine takes minutes to start a JVM and the Python beside it
_ENDED = {"FINISHED", "CANCELED", "FAILED"}
_JOB_ID = re.compile(r"JobID ([0-9a-f]{32})")


@dataclass(frozen=True)
class Job:
    """A job as the cluster lists it."""

    id: str
    name: str
    state: str


class Cluster:
    """A cluster by its REST address, ``host:port``."""

    def __init__(self, address: str) -> None:
        self.address = address

    def slots(self) -> int:
        """Slots of all TaskManagers that have registered."""
        return int(self._get("/overview")["slots-total"])

    def jobs(self) -> list[Job]:
        """All jobs that the cluster remembers, the newest first."""
        found = self._get("/jobs/overview")["jobs"]
        found.sort(key=lambda job: -int(job["start-time"]))
        return [Job(job["jid"], job["name"], job["state"]) for job in found]

    def running(self, name: str) -> Job | None:
        """The job of that name that has not ended; None if there is none."""
        return next((job for job in self.jobs() if job.name == name and job.state not in _ENDED), None)

    def require(self, name: str) -> Job:
        """As :meth:`running`, but its absence is an error that says what does run."""
        job = self.running(name)
        if job is None:
            others = ", ".join(f"{job.name} ({job.state})" for job in self.jobs()) or "none"
            raise StackError(f"no job named {name!r} runs at {self.address}; jobs there: {others}")
        return job

    def submit(self, submission: Submission, environment: Mapping[str, str]) -> str:
        """Submit with ``flink run --detached`` and return the job id.

        Args:
            submission: what to submit.
            environment: added to this process's own.

        Raises:
            StackError: with what the command said.
        """
        said = run_flink(submission.remote(self.address), environment)
        found = _JOB_ID.search(said)
        if not found:
            raise StackError(f"'flink run' named no job: {_reason(said)}")
        return found.group(1)

    def state(self, job: str) -> str:
        """State such as ``RUNNING``."""
        return str(self._get(f"/jobs/{job}")["state"])

    def wait(self, job: str, wanted: str = "RUNNING", seconds: float = 60) -> None:
        """Wait until the job, and for RUNNING each of its tasks, is in a state.

        Raises:
            StackError: it ended otherwise (with the reason), or the time is up.
        """
        deadline = time.monotonic() + seconds
        while True:
            details = self._get(f"/jobs/{job}")
            state = details["state"]
            tasks = {vertex["status"] for vertex in details["vertices"]}
            if state == wanted and (wanted != "RUNNING" or tasks <= {"RUNNING", "FINISHED"}):
                return
            if wanted == "RUNNING" and state == "FINISHED":
                return  # a bounded job that had little to do
            if state in _ENDED and state != wanted:
                raise StackError(f"job {job} is {state}: {self.failure(job)}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"job {job} is {state} (tasks {sorted(tasks)}) after {seconds:.0f} s: {self.failure(job)}"
                )
            time.sleep(_POLL_SECONDS)

    def failure(self, job: str) -> str:
        """The last exception's most telling line; empty if there was none."""
        return next(iter(self.exceptions(job)), "")

    def exceptions(self, job: str) -> list[str]:
        """What made the job restart, the newest first; as many as the cluster remembers."""
        entries = self._get(f"/jobs/{job}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return [_reason(entry["stacktrace"]) for entry in entries]

    def savepoint(self, job: str, folder: str = "", seconds: float = 120) -> str:
        """Take a savepoint, the job runs on; returns its path."""
        body = {"target-directory": folder} if folder else {}
        return self._triggered(job, "savepoints", {**body, "cancel-job": False}, seconds)

    def stop(self, job: str, folder: str = "", drain: bool = False, seconds: float = 120) -> str:
        """Take a savepoint and stop; returns its path."""
        body: dict[str, Any] = {"drain": drain}
        if folder:
            body["targetDirectory"] = folder
        path = self._triggered(job, "stop", body, seconds)
        self.wait(job, "FINISHED", seconds)
        return path

    def cancel(self, job: str) -> None:
        """End a job without a savepoint."""
        requests.patch(f"http://{self.address}/jobs/{job}", timeout=_REST_SECONDS)

    def metrics(self, job: str, operator: str = "score") -> dict[str, float]:
        """Eddy's own metrics, summed over the subtasks: name (``events``, ``alerts`` …) to value."""
        result: dict[str, float] = {}
        for vertex in self._get(f"/jobs/{job}")["vertices"]:
            if operator not in vertex["name"]:  # a vertex is named by the operators in it
                continue
            path = f"/jobs/{job}/vertices/{vertex['id']}/subtasks/metrics"
            names = [item["id"] for item in self._get(path) if f"{operator}.eddy." in item["id"]]
            for chunk in (names[i : i + 20] for i in range(0, len(names), 20)):
                for item in self._get(path, get=",".join(chunk)):
                    result[item["id"].split(".eddy.")[1]] = float(item.get("sum", "nan"))
        return result

    def checkpoints(self, job: str) -> dict[str, Any]:
        """Checkpoint statistics as the REST API gives them."""
        found: dict[str, Any] = self._get(f"/jobs/{job}/checkpoints")
        return found

    def _triggered(self, job: str, action: str, body: Mapping[str, Any], seconds: float) -> str:
        url = f"http://{self.address}/jobs/{job}/{action}"
        reply = requests.post(url, json=body, timeout=_REST_SECONDS)
        if reply.status_code != requests.codes.accepted:
            raise StackError(f"{action} of job {job} refused: {_reason(reply.text)}")
        trigger = reply.json()["request-id"]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self._get(f"/jobs/{job}/savepoints/{trigger}")
            if status["status"]["id"] == "COMPLETED":
                operation = status["operation"]
                if "location" in operation:
                    return str(operation["location"])
                raise StackError(f"{action} of job {job} failed: {_reason(operation['failure-cause']['stack-trace'])}")
            time.sleep(_POLL_SECONDS)
        raise StackError(f"{action} of job {job}: not done within {seconds:.0f} s")

    def _get(self, path: str, **params: str) -> Any:
        try:
            reply = requests.get(f"http://{self.address}{path}", params=params, timeout=_REST_SECONDS)
        except requests.RequestException as error:
            reason = type(error).__name__
            raise StackError(f"Flink does not answer at {self.address} ({reason}); 'eddy up' starts it") from None
        if not reply.ok:
            raise StackError(f"Flink at {self.address}: {path}: {_reason(reply.text)}")
        return reply.json()


def run_flink(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a ``flink`` command and return what it printed.

    Raises:
        StackError: it failed, with the line that tells most, or did not end in time.
    """
    try:
        done = subprocess.run(
            list(command),
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_SUBMIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise StackError(f"there is no command {command[0]}; --flink names Flink's own 'bin/flink'") from None
    except subprocess.TimeoutExpired:
        raise StackError(
            f"'flink run' did not end within {_SUBMIT_SECONDS} s; 'eddy status' tells whether the cluster is well"
        ) from None
    if done.returncode:
        raise StackError(f"'flink run' failed: {_reason(done.stdout + done.stderr)}")
    return done.stdout


def _reason(text: str) -> str:
    """The line of a Java or Python trace that tells most: Eddy's own error, or the innermost cause."""
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip()]
    for wanted in ("eddy.errors.", "eddy: ", "Error: ", "Caused by: "):
        found = [line for line in lines if wanted in line]
        if found:
            return found[-1][-500:]
    return lines[0][-500:] if lines else "no reason given"
