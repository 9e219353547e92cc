"""Start the local stack's jobs again after the JobManager died.

The local cluster has no high availability: a JobManager that is killed takes its jobs with it. Their records
and checkpoints stay on disk; :func:`recover` submits them again from the newest checkpoint that can be restored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from eddy.configuration import Configuration, load, secrets_as_environment
from eddy.errors import EddyError, StackError
from eddy.flink_job.client.cluster import Cluster, SubmissionError
from eddy.flink_rest import FlinkRest, telling_line
from eddy.ops.job_checkpoints import complete_checkpoints
from eddy.ops.job_records import JobRecord, forget, job_records, remember
from eddy.ops.job_targets import submit_locally
from eddy.stack.local import Stack

POLL_SECONDS = 1.0
_RESTORE_SECONDS = 60.0  # a job that has neither started nor failed to restore its state by then is left as it is
_WAIT_SECONDS = 0.2
_LOST_STATES = {"FAILED"}  # beside those that the cluster does not know at all
_ENDED_STATES = {"FINISHED", "CANCELED"}
_GONE_STATES = _LOST_STATES | _ENDED_STATES | {"FAILING", "CANCELLING"}
#: what Flink says when a checkpoint cannot be read, in the trace of a submission or of a restart
_UNREADABLE = (
    "Could not restore",
    "Failed to restore",
    "Failed to rollback to checkpoint",
    "StreamOperatorStateContext",
    "while restoring",
    "Cannot find checkpoint or savepoint",
    "meta data file",
    "Unexpected magic number",
    "runtime.checkpoint.Checkpoints.load",  # frames: an end of file has no message of its own
    "CheckpointCoordinator.restore",
)


def recover(stack: Stack, secrets: Mapping[str, str], notify: Callable[[str], None]) -> list[str]:
    """Submit every job again that is to run and does not; return their names.

    Args:
        stack: the running stack.
        secrets: as :func:`eddy.configuration.secrets_as_environment` gives them; they are not kept with the job.
        notify: takes a line about each.

    Raises:
        StackError: a job cannot be submitted.
    """
    cluster = Cluster(stack.flink_address)
    records = job_records(stack)
    jobs = cluster.jobs() if records else []
    known = {job.id: job.state for job in jobs}
    back, failed = [], []
    for record in records:
        state = known.get(record.job, "unknown to the cluster")
        if state in _ENDED_STATES:
            forget(stack, record.name)
        if state in known.values() and state not in _LOST_STATES:
            continue
        alive = next((job.id for job in jobs if job.name == record.name and job.state not in _GONE_STATES), "")
        if alive:  # 'flink run' was given up before it confirmed the submission
            notify(f"job {record.name} runs as {alive}")
            place = next(iter(complete_checkpoints(stack, record.job)), record.savepoint)
            remember(stack, replace(record, job=alive, savepoint=place))
            continue
        notify(f"job {record.name} ({record.job}) is {state}")
        try:
            _resume(stack, record, secrets, notify)
        except EddyError as error:  # the other jobs come back all the same
            failed.append(f"job {record.name}: {error}")
            continue
        back.append(record.name)
    if failed:
        raise StackError("; ".join(failed))
    return back


def _resume(stack: Stack, record: JobRecord, secrets: Mapping[str, str], notify: Callable[[str], None]) -> None:
    """Submit a job from its newest checkpoint, or from the newest one before it that can be restored.

    Without a checkpoint the job begins where it was first started: from its savepoint, or without state. Where there
    are checkpoints and none can be restored, it is not started at all: nobody would notice that its state is gone.
    """
    places = complete_checkpoints(stack, record.job)
    if record.savepoint or not places:
        places.append(record.savepoint)
    for place in places:
        notify(f"job {record.name} goes on from {place or 'the start'}")
        reason = _start(stack, record, secrets, place)
        if not reason:
            return
        notify(f"{place} cannot be restored ({reason}); what came after the checkpoint before it is scored again")
        remember(stack, record)  # a crash now must not leave the record of the job that was given up
    raise StackError(
        f"none of its {len(places)} checkpoints can be restored, the last because: {reason}; "
        "'eddy job submit' starts it without state, or with --from PATH from a savepoint"
    )


def _start(stack: Stack, record: JobRecord, secrets: Mapping[str, str], place: str) -> str:
    """Submit the job; return why the checkpoint cannot be restored, or nothing."""
    try:
        number = submit_locally(load(record.overrides, environ=secrets), place, wait=False)
    except SubmissionError as error:
        if place and any(mark in error.output for mark in _UNREADABLE):
            return str(error)
        raise
    reason = _restore_failure(stack, number) if place else ""
    if reason:
        cluster = Cluster(stack.flink_address)
        if cluster.state(number) not in _GONE_STATES:
            cluster.cancel(number)
            cluster.wait(number, "CANCELED")
    return reason


def _restore_failure(stack: Stack, number: str) -> str:
    """Wait until all tasks of a job run; return why its state cannot be restored, if that keeps them from it."""
    rest, deadline = FlinkRest(stack.flink_address), time.monotonic() + _RESTORE_SECONDS
    while time.monotonic() < deadline:
        details = rest.job(number)
        tasks = {vertex["status"] for vertex in details["vertices"]}
        if details["state"] == "FINISHED" or (details["state"] == "RUNNING" and tasks <= {"RUNNING", "FINISHED"}):
            return ""
        for trace in rest.stack_traces(number):
            if any(mark in trace for mark in _UNREADABLE):
                return telling_line(trace)
        if details["state"] in _GONE_STATES:
            return ""  # for another reason, which an earlier checkpoint would not mend
        time.sleep(_WAIT_SECONDS)
    return ""


def keep_up(stack: Stack, secrets: Mapping[str, str], notify: Callable[[str], None]) -> None:
    """Start processes that have died and their jobs again, once.

    Raises:
        StackError: something does not start.
    """
    dead = [state.name for state in stack.status() if state.pid is None]
    if dead:
        notify(f"not running: {', '.join(dead)}; started: {', '.join(stack.up())}")
    recover(stack, secrets, notify)


def keep_running(
    configuration: Configuration, stack: Stack, stopped: Callable[[float], bool], notify: Callable[[str], None]
) -> None:
    """Keep the stack running until ``stopped``, which waits for the seconds that it is given, returns True.

    Failed starts, because of a full disk or of Kafka that is away, are reported and tried again.
    """
    secrets, reported = secrets_as_environment(configuration.settings), ""
    while not stopped(POLL_SECONDS):
        try:
            keep_up(stack, secrets, notify)
            reported = ""
        except StackError as error:
            if str(error) != reported:  # once, however often it is tried
                reported = str(error)
                notify(reported)
