"""Call Flink's REST API, for the job's commands, the local stack, the producers and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from eddy.data_folder import data_dir
from eddy.errors import StackError
from eddy.settings import StackSettings

ENDED_STATES = frozenset({"FINISHED", "CANCELED", "FAILED"})
_METRICS_AT_ONCE = 20  # their names stand in the address, which Flink takes up to 4 kB
#: files of a folder with a client's identity; Flink's own processes read key and certificate from the keystore
CERTIFICATE, KEY, KEYSTORE, PASSWORD = "certificate.pem", "key.pem", "keystore.p12", "password"
#: folder of the local stack's own, below its data folder
IDENTITY = "flink/identity"


class RestAddress(str):
    """Name a REST API by ``host:port``, and the folder with the key and certificate that it asks of its clients.

    Attributes:
        identity: the folder; None = the API is reached without TLS.
    """

    _folder: Path | None
    _required: bool

    def __new__(cls, address: str, folder: Path | None = None, *, required: bool = False) -> RestAddress:
        """Take the address; an identity that is not required is used as soon as its folder is there."""
        made = super().__new__(cls, address)
        made._folder, made._required = folder, required
        return made

    @property
    def identity(self) -> Path | None:
        """Return the folder if TLS is spoken; it comes into being when the local stack starts for the first time."""
        there = self._folder is not None and (self._required or (self._folder / KEY).exists())
        return self._folder if there else None

    @property
    def url(self) -> str:
        """Return the address with its scheme."""
        return f"{'https' if self.identity else 'http'}://{self}"


def rest_address(stack: StackSettings, address: str = "") -> RestAddress:
    """Return where Flink's REST API is and how it is reached.

    Args:
        stack: settings of the local stack; ``stack.flink_identity`` holds for every address.
        address: ``host:port``; empty = the local stack's, whose identity lies in its data folder.
    """
    own = f"{stack.host}:{stack.flink_rest_port}"
    if stack.flink_identity:
        return RestAddress(address or own, Path(stack.flink_identity).expanduser().resolve(), required=True)
    return RestAddress(address or own, data_dir(stack) / IDENTITY if address in {"", own} else None)


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
        address: ``host:port``; a :class:`RestAddress` where the API asks for a certificate.
        connect_seconds, answer_seconds: how long to wait for a connection, and for each answer.
        direct: never go through a proxy; without, the environment's proxies are used for other machines than this one.
    """

    def __init__(
        self, address: str, *, connect_seconds: float = 10, answer_seconds: float = 10, direct: bool = False
    ) -> None:
        self.address = address if isinstance(address, RestAddress) else RestAddress(address)
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
        """Return checkpoint statistics: ``counts``, ``latest`` and more.

        ``counts.failed`` counts the checkpoints of ``history`` (the last ten) that were begun and failed. Flink's own
        count has those as well that it tried before all tasks ran, which is so at almost every start.
        """
        found = dict(self._get(f"/jobs/{job}/checkpoints"))
        failed = sum(one["status"] == "FAILED" for one in found.get("history", ()))
        return found | {"counts": {**found.get("counts", {}), "failed": failed}}

    def exceptions(self, job: str) -> list[str]:
        """Return the causes of the job's restarts, the newest first; as many as the cluster remembers."""
        return [telling_line(trace) for trace in self.stack_traces(job)]

    def stack_traces(self, job: str) -> list[str]:
        """Return the whole traces of the job's restarts, the newest first."""
        entries = self._get(f"/jobs/{job}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return [entry["stacktrace"] for entry in entries]

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
        if folder := self.address.identity:
            # Given with each request: of a session's, the environment's REQUESTS_CA_BUNDLE would take the place.
            options["verify"] = str(folder / CERTIFICATE)
            options["cert"] = (str(folder / CERTIFICATE), str(folder / KEY))
        try:
            return self._session.request(method, f"{self.address.url}{path}", timeout=self._timeout, **options)
        except requests.Timeout:
            reason = "no answer in time"
        except requests.exceptions.SSLError as error:
            reason = f"TLS fails: {str(error)[-160:]}"
        except requests.ConnectionError:
            reason = "no connection"
        except requests.RequestException as error:
            reason = str(error)[:200] or type(error).__name__
        raise FlinkError(f"Flink does not answer at {self.address} ({reason}); 'eddy up' starts it", reason)


def telling_line(text: str) -> str:
    """Return the most informative line of a Java or Python trace: Eddy's own error, or the innermost cause."""
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip()]
    lines = [line for line in lines if "Py4JJavaError" not in line] or lines  # it only says that Java's trace follows
    for mark in ("eddy.errors.", "eddy: ", "Error: ", "Caused by: "):
        found = [line for line in lines if mark in line]
        if found:
            return found[-1][-500:]
    return lines[0][-500:] if lines else "no reason given"
