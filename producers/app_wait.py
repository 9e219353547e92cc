"""Waits until the Flink job runs, so that nothing is sent before anyone listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import requests

from eddy.errors import StackError
from eddy.settings import Settings

POLL_SECONDS = 0.5
REPLY_SECONDS = 2.0


def wait_for_app(
    settings: Settings, seconds: float, say: Callable[[str], None], stop: threading.Event | None = None
) -> None:
    """Return once the job of that name is RUNNING with all its tasks, or ``stop`` is set.

    Raises:
        StackError: not within the time; says what was found last.
    """
    stop = stop or threading.Event()
    address = f"http://{settings.stack.host}:{settings.stack.flink_rest_port}"
    deadline = time.monotonic() + seconds
    with requests.Session() as session:
        session.trust_env = False  # loopback: never through a proxy
        found = _problem(session, address, settings.job.name)
        if found:
            say(f"waiting up to {seconds:.0f} s for job {settings.job.name!r} at {address}: {found}")
        while found and not stop.wait(POLL_SECONDS):
            if time.monotonic() > deadline:
                raise StackError(
                    f"job {settings.job.name!r} at {address} is not running after {seconds:.0f} s: {found}; "
                    "start it with 'eddy job run', or send without waiting: --no-wait-for-app"
                )
            found = _problem(session, address, settings.job.name)


def _problem(session: requests.Session, address: str, name: str) -> str | None:
    try:
        reply = session.get(f"{address}/jobs/overview", timeout=REPLY_SECONDS)
        reply.raise_for_status()
        jobs = [job for job in reply.json()["jobs"] if job["name"] == name]
    except (requests.RequestException, ValueError, KeyError):
        return "Flink does not answer"
    if not jobs:
        return "Flink runs no such job"
    newest = max(jobs, key=lambda job: job["start-time"])
    if newest["state"] != "RUNNING":
        return f"it is {newest['state']}"
    tasks = newest["tasks"]
    return None if tasks["running"] == tasks["total"] else f"{tasks['running']} of {tasks['total']} tasks run"
