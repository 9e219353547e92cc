"""Call Flink's REST API, for the job's commands, the local stack, the producers and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests

from eddy.errors import StackError

ENDED_STATES = frozenset({"FINISHED", "CANCELED", "FAILED"})
_METRICS_AT_ONCE = 20  # their names stand in the address, which Flink takes up to 4 kB


class FlinkError(StackError):
    """Report that Flink did not answer, or refused.

    Attributes:
        reason: the cause in short, without the address: for those who show that beside it.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class FlinkRest:
    """Ask one cluster. Every method raises :class:`FlinkError` if Flink does not answer or refuses.

    Args:
        address: ``host:port``.
        connect_seconds, answer_seconds: how long to wait for a connection, and for each answer.
        direct: never go through a proxy; without, the environment's proxies are used for other machines than this one.
    """

    def __init__(
        self, address: str, *, connect_seconds: float = 10, answer_seconds: float = 10, direct: bool = False
    ) -> None:
        self.address = address
        self._timeout = (connect_seconds, answer_seconds)
        self._session = requests.Session()
        self._session.trust_env = not (direct or address.startswith(("127.", "localhost:")))

    def overview(self) -> dict[str, Any]:
        """Return the cluster's resources: ``taskmanagers``, ``slots-total``, ``slots-available`` and more."""
        return dict(self._get("/overview"))

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs that the cluster remembers: ``jid``, ``name``, ``state``, ``start-time`` (ms), ``tasks``."""
        return list(self._get("/jobs/overview")["jobs"])

    def job(self, job: str) -> dict[str, Any]:
        """Return one job's ``state``, and its ``vertices`` with ``id``, ``name`` and ``status``."""
        return dict(self._get(f"/jobs/{job}"))

    def checkpoints(self, job: str) -> dict[str, Any]:
        """Return checkpoint statistics: ``counts``, ``latest`` and more."""
        return dict(self._get(f"/jobs/{job}/checkpoints"))

    def exceptions(self, job: str) -> list[str]:
        """Return the causes of the job's restarts, the newest first; as many as the cluster remembers."""
        entries = self._get(f"/jobs/{job}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return [telling_line(entry["stacktrace"]) for entry in entries]

    def metric_names(self, job: str, vertex: str) -> list[str]:
        """Return the names of a vertex's metrics; one appears once it has a value."""
        return [item["id"] for item in self._get(f"/jobs/{job}/vertices/{vertex}/subtasks/metrics")]

    def metrics(self, job: str, vertex: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield metrics of a vertex: ``id``, and ``sum``, ``max`` … over its subtasks."""
        for start in range(0, len(names), _METRICS_AT_ONCE):
            chosen = ",".join(names[start : start + _METRICS_AT_ONCE])
            yield from self._get(f"/jobs/{job}/vertices/{vertex}/subtasks/metrics", get=chosen)

    def cancel(self, job: str) -> None:
        """Ask Flink to end a job without a savepoint; it ends soon after."""
        self._accepted(f"cancel of job {job}", self._ask("PATCH", f"/jobs/{job}"))

    def trigger(self, job: str, action: str, body: Mapping[str, Any]) -> str:
        """Begin ``savepoints`` or ``stop``; return the request's id, for :meth:`savepoint`."""
        reply = self._ask("POST", f"/jobs/{job}/{action}", json=body)
        self._accepted(f"{action} of job {job}", reply)
        return str(self._decoded(reply, f"/jobs/{job}/{action}")["request-id"])

    def savepoint(self, job: str, request: str) -> dict[str, Any]:
        """Return how far a savepoint is: ``status``, and its ``operation`` at the end."""
        return dict(self._get(f"/jobs/{job}/savepoints/{request}"))

    def _accepted(self, what: str, reply: requests.Response) -> None:
        if reply.status_code != requests.codes.accepted:
            reason = telling_line(reply.text)
            raise FlinkError(f"{what} refused: {reason}", reason)

    def _get(self, path: str, **params: str) -> Any:
        reply = self._ask("GET", path, params=params)
        if not reply.ok:
            reason = telling_line(reply.text)
            raise FlinkError(f"Flink at {self.address}: {path}: {reason}", reason)
        return self._decoded(reply, path)

    def _decoded(self, reply: requests.Response, path: str) -> Any:
        try:
            return reply.json()
        except requests.JSONDecodeError:
            reason = f"found {reply.text[:40]!r} at {path}, expected JSON"
            message = f"what answers at {self.address} is not Flink: {reason}; check the address and the port"
            raise FlinkError(message, reason) from None

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(method, f"http://{self.address}{path}", timeout=self._timeout, **options)
        except requests.Timeout:
            reason = "no answer in time"
        except requests.ConnectionError:
            reason = "no connection"
        except requests.RequestException as error:
            reason = str(error)[:200] or type(error).__name__
        raise FlinkError(f"Flink does not answer at {self.address} ({reason}); 'eddy up' starts it", reason)


def telling_line(text: str) -> str:
    """Return the most informative line of a Java or Python trace: Eddy's own error, or the innermost cause."""
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip()]
    for mark in ("eddy.errors.", "eddy: ", "Error: ", "Caused by: "):
        found = [line for line in lines if mark in line]
        if found:
            return found[-1][-500:]
    return lines[0][-500:] if lines else "no reason given"
