"""The one client of Flink's REST API, against a server that answers as Flink does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from eddy.dashboard.sources import flink_rest as dashboard_source
from eddy.errors import StackError
from eddy.flink_job.client.cluster import Cluster, Job
from eddy.flink_rest import FlinkError, FlinkRest, telling_line
from eddy.producers.app_wait import wait_for_app
from eddy.settings import Settings, StackSettings
from eddy.stack import flink
from eddy.stack.ports import free_ports

JOB = "0123456789abcdef0123456789abcdef"
TRACE = "org.apache.flink.Failed: outer\\n\\tat somewhere\\nCaused by: java.lang.Inner: the disk is full\\n\\tat deeper"


class FakeFlink(ThreadingHTTPServer):
    """Answers what ``answers`` holds by method and path; 404 for all else, as Flink says it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.delay = 0.0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def get(self, path: str, value: Any, status: int = 200) -> None:
        self.answers["GET", path] = status, value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeFlink

    def _answer(self) -> None:
        place = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        time.sleep(self.server.delay)
        status, value = self.server.answers.get((self.command, place.path), (404, {"errors": [f"no {place.path}"]}))
        if wanted := parse_qs(place.query).get("get"):
            value = [{"id": name, "sum": float(k), "max": k} for k, name in enumerate(wanted[0].split(","))]
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[FakeFlink]:
    with FakeFlink() as one:
        thread = threading.Thread(target=one.serve_forever, daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def settings_of(server: FakeFlink) -> StackSettings:
    # another folder than the checkout's, where a stack may have run and left its identity: this one speaks plain HTTP
    return StackSettings(flink_rest_port=server.server_address[1], data_dir="no-such-folder")


def listed(name: str = "eddy", state: str = "RUNNING", start: int = 1, total: int = 2) -> dict[str, Any]:
    tasks = {"running": 2, "total": total}
    return {"jid": JOB, "name": name, "state": state, "start-time": start, "tasks": tasks}


def test_a_cancel_that_flink_refuses_is_an_error_with_its_reason(server: FakeFlink) -> None:
    """It used to pass in silence: the caller took the job for ended."""
    refusal = {"errors": ["org.apache.flink.runtime.rest.NotFound: Job could not be found"]}
    server.answers["PATCH", f"/jobs/{JOB}"] = 404, refusal
    with pytest.raises(StackError, match=f"cancel of job {JOB} refused: .*Job could not be found"):
        Cluster(server.address).cancel(JOB)
    server.answers["PATCH", f"/jobs/{JOB}"] = 202, {}
    Cluster(server.address).cancel(JOB)
    assert [method for method, _, _ in server.asked] == ["PATCH", "PATCH"]


def test_a_savepoint_is_asked_for_once_and_awaited(server: FakeFlink) -> None:
    server.answers["POST", f"/jobs/{JOB}/savepoints"] = 202, {"request-id": "r1"}
    done = {"status": {"id": "COMPLETED"}, "operation": {"location": "file:/s/1"}}
    server.get(f"/jobs/{JOB}/savepoints/r1", done)
    assert Cluster(server.address).savepoint(JOB, "/s") == "file:/s/1"
    assert server.asked[0][2] == {"target-directory": "/s", "cancel-job": False}
    server.get(f"/jobs/{JOB}/savepoints/r1", done | {"operation": {"failure-cause": {"stack-trace": TRACE}}})
    with pytest.raises(StackError, match=r"savepoints of job .* failed: Caused by: java.lang.Inner: the disk is full"):
        Cluster(server.address).savepoint(JOB)
    server.answers["POST", f"/jobs/{JOB}/savepoints"] = 409, {"errors": ["Error: one is running"]}
    with pytest.raises(StackError, match=r"savepoints of job .* refused: .*one is running"):
        Cluster(server.address).savepoint(JOB)


def test_jobs_newest_first_and_why_one_is_missing(server: FakeFlink) -> None:
    server.get("/jobs/overview", {"jobs": [listed(state="FAILED", start=1), listed("other", start=5)]})
    cluster = Cluster(server.address)
    assert cluster.jobs() == [Job(JOB, "other", "RUNNING"), Job(JOB, "eddy", "FAILED")]
    assert cluster.running("eddy") is None
    with pytest.raises(StackError, match=r"no job named 'eddy' runs at .*; jobs there: other \(RUNNING\), eddy \(FA"):
        cluster.require("eddy")


def test_metrics_are_asked_for_in_addresses_that_flink_takes(server: FakeFlink) -> None:
    path = f"/jobs/{JOB}/vertices/v/subtasks/metrics"
    server.get(
        f"/jobs/{JOB}", {"state": "RUNNING", "vertices": [{"id": "v", "name": "x -> score", "status": "RUNNING"}]}
    )
    server.get(path, [{"id": f"{k}.score.eddy.m{k}"} for k in range(45)] + [{"id": "numRecordsIn"}])
    assert len(Cluster(server.address).metrics(JOB)) == 45
    assert [p.count(".eddy.") for _, p, _ in server.asked if "get=" in p] == [20, 20, 5]
    assert list(FlinkRest(server.address).metrics(JOB, "v", [])) == []


def test_what_does_not_answer_is_said_with_what_to_do(server: FakeFlink, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    where = f"127.0.0.1:{port}"
    with pytest.raises(FlinkError, match=rf"Flink does not answer at {where} \(no connection\); 'eddy up' starts it"):
        FlinkRest(where).overview()
    server.delay = 1.0
    with pytest.raises(FlinkError) as late:
        FlinkRest(server.address, answer_seconds=0.1).overview()
    assert late.value.reason == "no answer in time"


def test_another_server_at_that_port_is_recognised(server: FakeFlink) -> None:
    server.get("/overview", b"<html>hello</html>")
    with pytest.raises(FlinkError, match=r"what answers at .* is not Flink: found '<html>hello</html>' at /overview"):
        FlinkRest(server.address).overview()
    server.get("/overview", [])
    problem = flink.problem(Settings(stack=settings_of(server)))
    assert problem is not None
    assert "is not Flink's REST API" in problem


def test_a_proxy_is_never_asked_for_this_machine(server: FakeFlink, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server.get("/overview", {"slots-total": 3})
    assert Cluster(server.address).slots() == 3
    assert FlinkRest(server.address, direct=True).overview() == {"slots-total": 3}


def test_the_stack_waits_for_its_taskmanagers(server: FakeFlink) -> None:
    settings = Settings(stack=settings_of(server))
    server.get("/overview", {"taskmanagers": 0, "slots-total": 0})
    assert flink.problem(settings) == f"Flink at {server.address} has 0 of 1 TaskManagers (0 slots)"
    server.get("/overview", {"taskmanagers": 1, "slots-total": 2})
    assert flink.problem(settings) is None
    server.shutdown()
    server.server_close()
    away = flink.problem(settings)
    assert away == f"Flink's REST API at {server.address} does not answer: no connection"


def test_producers_wait_until_all_tasks_run(server: FakeFlink) -> None:
    settings = Settings(stack=settings_of(server))
    said: list[str] = []
    server.get("/jobs/overview", {"jobs": [listed(total=3)]})
    with pytest.raises(StackError, match="is not running after 0 s: 2 of 3 tasks run; start it with 'eddy job run'"):
        wait_for_app(settings, 0.0, said.append)
    assert said == [f"waiting up to 0 s for job 'eddy' at http://{server.address}: 2 of 3 tasks run"]
    server.get("/jobs/overview", {"jobs": [listed()]})
    wait_for_app(settings, 0.0, said.append)
    server.get("/jobs/overview", {}, status=503)
    with pytest.raises(StackError, match="Flink does not answer"):
        wait_for_app(settings, 0.0, said.append)


def test_the_dashboard_reads_the_job_and_says_why_flink_is_away(server: FakeFlink) -> None:
    source = dashboard_source.FlinkRest(server.address, "eddy", "eddy.observations")
    assert source.read() is None
    assert source.watch.state.reason.endswith('no /overview"]}')
    server.get("/overview", {"slots-total": 2, "slots-available": 1, "taskmanagers": 1})
    server.get("/jobs/overview", {"jobs": [listed("other")]})
    none = source.read()
    assert none is not None
    assert (none.state, none.slots, none.slots_free, none.workers) == ("none", 2, 1, 1)
    server.get("/jobs/overview", {"jobs": [listed(state="RESTARTING", start=7)]})
    server.get(f"/jobs/{JOB}/exceptions", {"exceptionHistory": {"entries": [{"stacktrace": TRACE}]}})
    server.get(f"/jobs/{JOB}", {"vertices": [{"id": "v", "name": "score", "status": "RUNNING"}]})
    place = "Source.KafkaSourceReader.topic.eddy_observations.partition.2.currentOffset"
    names = [place, "score.eddy.events", "score.eddy.unknown", "busyTimeMsPerSecond"]
    server.get(f"/jobs/{JOB}/vertices/v/subtasks/metrics", [{"id": name} for name in names])
    latest = {"completed": {"latest_ack_timestamp": 9, "end_to_end_duration": 4, "state_size": 5}}
    history = [{"status": status} for status in ("IN_PROGRESS", "COMPLETED", "FAILED", "COMPLETED", "FAILED")]
    server.get(
        f"/jobs/{JOB}/checkpoints", {"counts": {"completed": 3, "failed": 7}, "latest": latest, "history": history}
    )
    job = source.read()
    assert job is not None
    assert (job.id, job.state, job.started) == (JOB, "RESTARTING", 7)
    assert job.failure == "Caused by: java.lang.Inner: the disk is full"
    assert (job.read_to, job.counters, job.busy) == ({2: 1}, {"events": 1.0}, 0.002)
    assert (job.checkpoints.completed, job.checkpoints.last_bytes) == (3, 5)
    assert job.checkpoints.failed == 2, "those that were begun; Flink's seven has what it tried before all tasks ran"
    assert source.watch.state.ok


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACE, "Caused by: java.lang.Inner: the disk is full"),
        ("a\nCaused by: b\neddy.errors.ModelError: c\nCaused by: d", "eddy.errors.ModelError: c"),
        ("Py4JJavaError: An error\n: org.Outer: a\nCaused by: b", "Caused by: b"),
        ("only this", "only this"),
        ("", "no reason given"),
    ],
)
def test_the_line_that_tells_most(text: str, line: str) -> None:
    assert telling_line(text) == line
