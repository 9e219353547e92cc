"""Check that Flink's Prometheus reporter exports every metric that documents, alert rules and dashboards use."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness
from tests.integration.harness import START, STEP
from tests.integration.test_input import NESTED, send, with_input

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bflink_(?:job|task)manager_[a-zA-Z0-9_]+")


def scraped(settings: Settings) -> dict[str, set[str]]:
    """Names of all metrics, of JobManager and TaskManager, with the label sets of each."""
    found: dict[str, set[str]] = {}
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for port in (settings.stack.metrics_port, settings.stack.metrics_port + 1):
        try:
            with direct.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except (OSError, http.client.HTTPException):  # Flink's reporter drops a connection now and then
            continue
        for line in lines:
            if not line.startswith("#"):
                name, _, labels = line.partition("{")
                found.setdefault(name, set()).add(labels)
    return found


def counted() -> set[str]:
    """The job's counters that docs/operations.md names."""
    lines = [line for line in (ROOT / "docs/operations.md").read_text().splitlines() if "| counter |" in line]
    return {name for line in lines for name in NAME.findall(line)}


@pytest.mark.own_stack("reads the metrics' ports, which a given stack need not open")
def test_every_documented_metric_is_exported(stack: Stack, unique_topics: Settings) -> None:
    settings = with_input(unique_topics, {"topics": "nested", **NESTED}, max_pending_per_series=2, max_series=2)
    with harness.running(stack, settings) as (cluster, number):
        # A counter is there once it has counted: some of everything.
        harness.send(settings, [harness.event(*o) for o in harness.noise(["early"], 4, {})])
        harness.handled(cluster, number, 4)
        cold = harness.model("cold", series=("a",), detector=RollingZScore(WindowSpec(10, 1, ("temperature",))))
        hourly = harness.model("hourly", series=("a",), detector=RollingZScore(WindowSpec(10, interval_ms=3_600_000)))
        harness.publish(settings, harness.model(limit=2.8), harness.model("other", series=("other",)), cold, hourly)
        harness.until(lambda: cluster.metrics(number).get("models") == 4, "models in use")
        harness.publish(settings, replace(harness.model(version=2), sha256="0" * 64))
        points = [harness.event(*o) for o in harness.noise(["a"], 40, {("a", 20): 9.0})]
        late = harness.event("a", START + 3 * STEP + 1, 0.0)
        harness.send(settings, [*points, points[-1], late, ("a", b"{")])
        harness.handled(cluster, number, 47)
        send(settings, "nested", [(b"k", b'{"op": "d"}'), (b"k", b"no JSON")])
        many = [f"s-{k}" for k in range(settings.job.shards * settings.job.max_series)]  # more than fit
        harness.send(settings, [harness.event(*o) for o in harness.noise(many, 1, {})])
        harness.handled(cluster, number, 47 + len(many))
        harness.until(lambda: cluster.metrics(number).get("models_refused"), "a refusal counted")
        events = "flink_taskmanager_job_task_operator_eddy_events"
        harness.until(lambda: any(settings.job.name in labels for labels in scraped(settings).get(events, ())), events)
        harness.until(lambda: cluster.checkpoints(number)["counts"]["completed"], "a checkpoint")
        with contextlib.suppress(AssertionError):  # the lines below name those that are missing
            harness.until(lambda: set(scraped(settings)) >= counted(), "all counters reported", 30)
        there = set(scraped(settings))
    rules = ROOT / "docker/prometheus/alerts.yml"
    board = ROOT / "docker/grafana/eddy.json"
    for path in (ROOT / "docs/operations.md", rules, board):
        names = set(NAME.findall(path.read_text()))
        assert names, path
        assert names <= there, f"{path.name}: {sorted(names - there)}"
    groups = yaml.safe_load(rules.read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert {"alert", "expr", "labels", "annotations"} <= set(rule), rule
        assert {"summary", "runbook"} <= set(rule["annotations"]), rule
    panels = json.loads(board.read_text())["panels"]
    assert len(panels) >= 8
    assert all(panel["targets"][0]["expr"] for panel in panels if panel["type"] != "row")
