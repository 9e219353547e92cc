"""Make each alert rule fire and clear in a real Prometheus, by metrics that the test serves.

Times in the rules are shortened alike (a quarter of an hour is a second); their expressions stay as they are.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from eddy.ops.exporter import METRICS
from eddy.stack.paths import ROOT
from eddy.stack.ports import free_ports

pytestmark = pytest.mark.stack  # where Prometheus is installed: './run test' sees to it

RULES = ROOT / "docker" / "prometheus" / "alerts.yml"
FASTER = 900
SCRAPE = "60ms"
DURATION = re.compile(r"(\d+)([smhd])\b")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
JOB = 'job_name="eddy"'
OPERATOR = "flink_taskmanager_job_task_operator"


@dataclass(frozen=True)
class Metric:
    """What a scrape shows: a value, and for counters how much it grows in a (real) second. None: it is not there."""

    value: float | None = 0.0
    growth: float = 0.0


@dataclass
class Case:
    """What of the healthy metrics changes for a rule to fire; ``answers`` False: the scrape itself fails."""

    changed: dict[str, Metric] = field(default_factory=dict)
    answers: bool = True
    also: frozenset[str] = frozenset()  # rules that rightly fire as well


HEALTHY = {
    f"flink_jobmanager_job_uptime{{{JOB}}}": Metric(1e6),
    "flink_jobmanager_numRunningJobs": Metric(1),
    f"flink_jobmanager_job_numRestarts{{{JOB}}}": Metric(3),
    f"flink_jobmanager_job_numberOfFailedCheckpoints{{{JOB}}}": Metric(1),
    f"flink_jobmanager_job_numberOfCompletedCheckpoints{{{JOB}}}": Metric(10, 30),
    f"{OPERATOR}_pendingRecords{{{JOB}}}": Metric(50_000),
    f"{OPERATOR}_eddy_events{{{JOB}}}": Metric(1000, 10_000),
    f"{OPERATOR}_eddy_bad{{{JOB}}}": Metric(5, 50),
    f"{OPERATOR}_eddy_late{{{JOB}}}": Metric(5, 50),
    f"{OPERATOR}_eddy_series{{{JOB}}}": Metric(90_000),
    f"{OPERATOR}_eddy_series_without_model{{{JOB}}}": Metric(0),
    f"{OPERATOR}_eddy_models_refused{{{JOB}}}": Metric(2),
    f"{OPERATOR}_eddy_models_delayed{{{JOB}}}": Metric(0),
    f"{OPERATOR}_eddy_features_missing{{{JOB}}}": Metric(2),
    f"{OPERATOR}_eddy_limits_reached{{{JOB}}}": Metric(2),
    f"{OPERATOR}_failedCommittables{{{JOB}}}": Metric(0),
    f"{OPERATOR}_eddy_redis_away_seconds{{{JOB}}}": Metric(10),
    f"{OPERATOR}_eddy_redis_refused{{{JOB}}}": Metric(7),
    f"{OPERATOR}_eddy_alerts{{{JOB}}}": Metric(0, 0.5),
    "eddy_kafka_up": Metric(1),
    "eddy_trainer_silent_seconds": Metric(20),
    "eddy_training_requests_waiting": Metric(0),
    "eddy_redis_up": Metric(1),
    "eddy_redis_memory_bytes": Metric(80),
    "eddy_redis_max_memory_bytes": Metric(100),
    "eddy_dashboard_up": Metric(1),
    'eddy_disk_free_bytes{folder="/data"}': Metric(11),
    'eddy_disk_size_bytes{folder="/data"}': Metric(100),
}


def operator(name: str, value: float | None = 0.0, growth: float = 0.0) -> dict[str, Metric]:
    return {f"{OPERATOR}_{name}{{{JOB}}}": Metric(value, growth)}


def manager(name: str, value: float | None = 0.0, growth: float = 0.0) -> dict[str, Metric]:
    return {f"flink_jobmanager_job_{name}{{{JOB}}}": Metric(value, growth)}


#: rule -> what makes it fire; several where an expression has several ways
CASES: dict[str, list[Case]] = {
    "EddyJobDown": [
        Case(manager("uptime", None)),
        Case({"flink_jobmanager_numRunningJobs": Metric(0)}),
    ],
    "EddyNotScraped": [Case(answers=False, also=frozenset({"EddyJobDown", "EddyNoEvents"}))],
    "EddyJobRestarts": [Case(manager("numRestarts", 3, 20))],
    "EddyNoEvents": [
        Case(
            operator("eddy_events", 1000), also=frozenset({"EddyDeadLetters", "EddyLateEvents"})
        ),  # of no events at all
        Case(operator("eddy_events", None)),
    ],
    "EddyCheckpointsFail": [Case(manager("numberOfFailedCheckpoints", 1, 20))],
    "EddyNoCheckpoint": [Case(manager("numberOfCompletedCheckpoints", 10))],
    "EddyBehind": [Case(operator("pendingRecords", 150_000))],
    "EddyDeadLetters": [Case(operator("eddy_bad", 5, 500))],
    "EddyLateEvents": [Case(operator("eddy_late", 5, 500))],
    "EddyManySeries": [Case(operator("eddy_series", 110_000))],
    "EddySeriesWithoutModel": [Case(operator("eddy_series_without_model", 1))],
    "EddyModelRefused": [
        Case(operator("eddy_models_refused", 2, 10)),
        Case(operator("eddy_features_missing", 2, 10)),
    ],
    "EddyModelDelayed": [Case(operator("eddy_models_delayed", 1))],
    "EddyLimitReached": [Case(operator("eddy_limits_reached", 2, 10))],
    "EddyTransactionsLost": [Case(operator("failedCommittables", 1))],
    "EddyRedisAway": [Case(operator("eddy_redis_away_seconds", 31))],
    "EddyRedisRefuses": [Case(operator("eddy_redis_refused", 7, 10))],
    "EddyRedisDown": [Case({"eddy_redis_up": Metric(0)})],
    "EddyRedisMemory": [Case({"eddy_redis_memory_bytes": Metric(90)})],
    "EddyKafkaDown": [Case({"eddy_kafka_up": Metric(0)})],
    "EddyTrainerDown": [Case({"eddy_trainer_silent_seconds": Metric(130)})],
    "EddyTrainingWaits": [Case({"eddy_training_requests_waiting": Metric(1)})],
    "EddyDashboardDown": [Case({"eddy_dashboard_up": Metric(0)})],
    "EddyDiskFull": [Case({'eddy_disk_free_bytes{folder="/data"}': Metric(9)})],
    "EddyAlertStorm": [Case(operator("eddy_alerts", 0, 30))],
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def faster(text: str) -> str:
    """The same with each time shortened."""
    return DURATION.sub(lambda found: f"{max(1, int(found[1]) * SECONDS[found[2]] * 1000 // FASTER)}ms", text)


class Exporter(ThreadingHTTPServer):
    """Serve metrics that the test changes; counters grow as time passes, whatever their growth was before."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._values = {name: metric.value or 0.0 for name, metric in HEALTHY.items()}
        self._metrics = dict(HEALTHY)
        self._at = time.monotonic()
        self.answers = True

    def show(self, case: Case) -> None:
        with self._lock:
            self._grow()
            self._metrics = {**HEALTHY, **case.changed}
            for name, metric in self._metrics.items():
                if not metric.growth and not HEALTHY[name].growth and metric.value is not None:
                    self._values[name] = max(metric.value, self._values[name]) if grown(name) else metric.value
            self.answers = case.answers

    def text(self) -> str:
        with self._lock:
            self._grow()
            return "".join(
                f"{name} {self._values[name]}\n" for name, metric in self._metrics.items() if metric.value is not None
            )

    def _grow(self) -> None:
        now = time.monotonic()
        for name, metric in self._metrics.items():
            self._values[name] += metric.growth * (now - self._at)
        self._at = now


def grown(name: str) -> bool:
    """Whether some case lets it grow: it is a counter, and never falls."""
    return any(case.changed[name].growth for cases in CASES.values() for case in cases if name in case.changed)


class _Handler(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        content = self.server.text().encode()
        self.send_response(200 if self.server.answers else 500)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass
class Watched:
    """A Prometheus and what it scrapes."""

    exporter: Exporter
    port: int

    def firing(self) -> set[str]:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{self.port}/api/v1/alerts", timeout=10) as answer:
            found = json.load(answer)["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    def until(self, condition: Callable[[set[str]], bool], what: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not condition(found := self.firing()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; firing: {sorted(found)}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed; './run test' installs it, or: apt-get install prometheus"
    folder = tmp_path_factory.mktemp("prometheus")
    content = yaml.safe_load(RULES.read_text())
    for group in content["groups"]:
        group["interval"] = SCRAPE
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[[^]]+\]", lambda found: faster(found[0]), rule["expr"])
            if "for" in rule:
                rule["for"] = faster(rule["for"])
    (folder / "rules.yml").write_text(yaml.safe_dump(content))
    (port,) = free_ports(1)
    exporter = Exporter()
    scrape = {"job_name": "eddy-test", "static_configs": [{"targets": [f"127.0.0.1:{exporter.server_port}"]}]}
    settings = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{**scrape, "honor_timestamps": False}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    thread = threading.Thread(target=exporter.serve_forever, daemon=True)
    thread.start()
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log) as server,
    ):
        try:
            one = Watched(exporter, port)
            deadline = time.monotonic() + 40
            while True:
                try:
                    one.firing()
                    break
                except OSError:
                    assert server.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < deadline, (folder / "log").read_text()
                    time.sleep(0.05)
            yield one
        finally:
            server.kill()
            server.wait()
            exporter.shutdown()
            exporter.server_close()
            thread.join()


@pytest.mark.parametrize(
    ("rule", "number"), [(rule, number) for rule, cases in CASES.items() for number in range(len(cases))]
)
def test_rule_fires_and_clears(watched: Watched, rule: str, number: int) -> None:
    case = CASES[rule][number]
    watched.exporter.show(Case())
    watched.until(lambda found: not found, "nothing fires while all is well")
    watched.exporter.show(case)
    watched.until(lambda found: rule in found, f"{rule} fires")
    assert watched.firing() <= {rule, *case.also}, "others fire with it"
    watched.exporter.show(Case())
    watched.until(lambda found: not found, f"{rule} clears")


def test_every_rule_has_a_case() -> None:
    assert [rule["alert"] for rule in rules()] == list(CASES), "a rule that nobody has seen fire may never fire"


def test_every_rule_has_its_place_in_the_runbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    sections = re.findall(r"^### (Eddy\w+)$", text, flags=re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_rules_use_metrics_that_are_exported_and_documented() -> None:
    """Flink's are compared with a real job's in tests/integration/test_prometheus.py."""
    used = {
        name for rule in rules() for name in re.findall(r"\beddy_\w+", rule["expr"]) if f"_{name}" not in rule["expr"]
    }
    assert used <= set(METRICS), f"'eddy exporter' has no {used - set(METRICS)}"
    text = (ROOT / "docs" / "operations.md").read_text()
    for name, meaning in METRICS.items():
        assert f"| `{name}` | gauge | {meaning} |" in text


def test_prometheus_itself_accepts_the_files() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
