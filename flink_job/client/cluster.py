"""Submit the job to a running Flink cluster through the stock ``flink`` command, and steer it through REST."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eddy.errors import StackError
from eddy.flink_job.client.submission import Submission
from eddy.flink_rest import ENDED_STATES, FlinkRest, telling_line

_POLL_SECONDS = 0.2
_SUBMIT_SECONDS = 600  # a busy machine takes minutes to start a JVM and the Python beside it
_FAILED_COMMITS = ".failedCommittables"  # of Flink's sinks
_JOB_ID = re.compile(r"JobID ([0-9a-f]{32})")


class SubmissionError(StackError):
    """Report that ``flink run`` failed.

    Attributes:
        output: all that it printed.
    """

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


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
        self._rest = FlinkRest(address)

    def slots(self) -> int:
        """Count the slots of all TaskManagers that have registered."""
        return int(self._rest.overview()["slots-total"])

    def jobs(self) -> list[Job]:
        """List the jobs that the cluster remembers, the newest first."""
        found = sorted(self._rest.jobs(), key=lambda job: -int(job["start-time"]))
        return [Job(job["jid"], job["name"], job["state"]) for job in found]

    def running(self, name: str) -> Job | None:
        """Return the job of that name that has not ended; None if there is none."""
        return next((job for job in self.jobs() if job.name == name and job.state not in ENDED_STATES), None)

    def require(self, name: str) -> Job:
        """Return the job of that name that has not ended, or raise an error that says what does run."""
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
            StackError: with what the command printed.
        """
        printed = run_flink(submission.remote(self.address), environment)
        found = _JOB_ID.search(printed)
        if not found:
            raise StackError(f"'flink run' named no job: {telling_line(printed)}")
        return found.group(1)

    def state(self, job: str) -> str:
        """Return the state of a job, such as ``RUNNING``."""
        return str(self._rest.job(job)["state"])

    def wait(self, job: str, wanted: str = "RUNNING", seconds: float = 60) -> None:
        """Wait until the job, and for RUNNING each of its tasks, is in a state.

        Raises:
            StackError: it ended otherwise (with the reason), or the time is up.
        """
        deadline = time.monotonic() + seconds
        while True:
            details = self._rest.job(job)
            state = details["state"]
            tasks = {vertex["status"] for vertex in details["vertices"]}
            if state == wanted and (wanted != "RUNNING" or tasks <= {"RUNNING", "FINISHED"}):
                return
            if wanted == "RUNNING" and state == "FINISHED":
                return  # a bounded job that had little to do
            if state in ENDED_STATES and state != wanted:
                raise StackError(f"job {job} is {state}: {self.failure(job)}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"job {job} is {state} (tasks {sorted(tasks)}) after {seconds:.0f} s: {self.failure(job)}"
                )
            time.sleep(_POLL_SECONDS)

    def failure(self, job: str) -> str:
        """Return the most telling line of the last exception; empty if there was none."""
        return next(iter(self.exceptions(job)), "")

    def exceptions(self, job: str) -> list[str]:
        """List what made the job restart, the newest first; as many as the cluster remembers."""
        return self._rest.exceptions(job)

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
        """End a job without a savepoint.

        Raises:
            StackError: the cluster refuses, with its reason.
        """
        self._rest.cancel(job)

    def metrics(self, job: str, operator: str = "score") -> dict[str, float]:
        """Return Eddy's own metrics, summed over the subtasks: name (``events``, ``alerts`` …) to value."""
        result: dict[str, float] = {}
        for vertex in self._rest.job(job)["vertices"]:
            if operator not in vertex["name"]:  # a vertex is named by the operators in it
                continue
            names = [name for name in self._rest.metric_names(job, vertex["id"]) if f"{operator}.eddy." in name]
            for item in self._rest.metrics(job, vertex["id"], names):
                result[item["id"].split(".eddy.")[1]] = float(item.get("sum", "nan"))
        return result

    def transactions_lost(self, job: str) -> int:
        """Count the transactions that could not be committed since the job's last start."""
        total = 0.0
        for vertex in self._rest.job(job)["vertices"]:
            names = [name for name in self._rest.metric_names(job, vertex["id"]) if name.endswith(_FAILED_COMMITS)]
            total += sum(float(item.get("sum", 0)) for item in self._rest.metrics(job, vertex["id"], names))
        return int(total)

    def checkpoints(self, job: str) -> dict[str, Any]:
        """Return checkpoint statistics as the REST API gives them."""
        return self._rest.checkpoints(job)

    def _triggered(self, job: str, action: str, body: Mapping[str, Any], seconds: float) -> str:
        trigger = self._rest.trigger(job, action, body)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self._rest.savepoint(job, trigger)
            if status["status"]["id"] == "COMPLETED":
                operation = status["operation"]
                if "location" in operation:
                    return str(operation["location"])
                raise StackError(
                    f"{action} of job {job} failed: {telling_line(operation['failure-cause']['stack-trace'])}"
                )
            time.sleep(_POLL_SECONDS)
        raise StackError(f"{action} of job {job}: not done within {seconds:.0f} s")


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
        output = done.stdout + done.stderr
        raise SubmissionError(f"'flink run' failed: {telling_line(output)}", output)
    return done.stdout
