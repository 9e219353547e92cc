"""Start the local stack's jobs again after the JobManager died.

The local cluster has no high availability: a JobManager that is killed takes its jobs with it. Their records
and checkpoints stay on disk; :func:`recover` submits them again from the newest checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from eddy.configuration import Configuration, load, secrets_as_environment
from eddy.errors import EddyError, StackError
from eddy.flink_job.client.cluster import Cluster
from eddy.ops.job_records import forget, job_records, remember
from eddy.ops.job_targets import submit_locally
from eddy.stack.local import Stack

POLL_SECONDS = 1.0
_LOST_STATES = {"FAILED"}  # beside those that the cluster does not know at all
_ENDED_STATES = {"FINISHED", "CANCELED"}
_GONE_STATES = _LOST_STATES | _ENDED_STATES | {"FAILING", "CANCELLING"}


def newest_checkpoint(stack: Stack, job: str) -> str:
    """Return the URI of the newest complete checkpoint of a job; empty if there is none."""
    folder = stack.folder / "flink" / "checkpoints" / job
    complete = [path.parent for path in folder.glob("chk-*/_metadata")]
    newest = max(complete, key=lambda path: int(path.name.removeprefix("chk-")), default=None)
    return newest.as_uri() if newest else ""


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
        place = newest_checkpoint(stack, record.job) or record.savepoint
        alive = next((job.id for job in jobs if job.name == record.name and job.state not in _GONE_STATES), "")
        if alive:  # 'flink run' was given up before it confirmed the submission
            notify(f"job {record.name} runs as {alive}")
            remember(stack, replace(record, job=alive, savepoint=place))
            continue
        notify(f"job {record.name} ({record.job}) is {state}; it goes on from {place or 'the start'}")
        try:
            submit_locally(load(record.overrides, environ=secrets), place, wait=False)
        except EddyError as error:  # the other jobs come back all the same
            failed.append(f"job {record.name}: {error}")
            continue
        back.append(record.name)
    if failed:
        raise StackError("; ".join(failed))
    return back


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
