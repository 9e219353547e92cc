"""Wait until the Flink job runs, so that nothing is sent before it reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from eddy.errors import StackError
from eddy.flink_rest import FlinkError, FlinkRest, rest_address
from eddy.settings import Settings

POLL_SECONDS = 0.5
REPLY_SECONDS = 2.0


def wait_for_app(
    settings: Settings, seconds: float, notify: Callable[[str], None], stop: threading.Event | None = None
) -> None:
    """Wait until the job of that name is RUNNING with all its tasks, or ``stop`` is set.

    Raises:
        StackError: the job does not run within the time; names the state found last.
    """
    stop = stop or threading.Event()
    address = rest_address(settings.stack)
    flink = FlinkRest(address, connect_seconds=REPLY_SECONDS, answer_seconds=REPLY_SECONDS, direct=True)
    deadline = time.monotonic() + seconds
    found = _problem(flink, settings.job.name)
    if found:
        notify(f"waiting up to {seconds:.0f} s for job {settings.job.name!r} at {address.url}: {found}")
    while found and not stop.wait(POLL_SECONDS):
        if time.monotonic() > deadline:
            raise StackError(
                f"job {settings.job.name!r} at {address.url} is not running after {seconds:.0f} s: {found}; "
                "start it with 'eddy job run', or send without waiting: --no-wait-for-app"
            )
        found = _problem(flink, settings.job.name)


def _problem(flink: FlinkRest, name: str) -> str | None:
    try:
        jobs = [job for job in flink.jobs() if job["name"] == name]
    except (FlinkError, KeyError):
        return "Flink does not answer"
    if not jobs:
        return "Flink runs no such job"
    newest = max(jobs, key=lambda job: job["start-time"])
    if newest["state"] != "RUNNING":
        return f"it is {newest['state']}"
    tasks = newest["tasks"]
    return None if tasks["running"] == tasks["total"] else f"{tasks['running']} of {tasks['total']} tasks run"
