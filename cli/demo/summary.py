"""Compute the demo's summary: alerts followed live, latency by record, matches with the labels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from kafka import TopicPartition
from rich.console import Console
from rich.table import Table

from eddy.alert import Alert
from eddy.cli.demo.scenarios import Scenario
from eddy.connections import kafka_consumer
from eddy.formats import BadObservation, find_format
from eddy.producers.report import Report
from eddy.settings import Settings
from eddy.training.evaluation.metrics.alert_matching import match

_QUIET_SECONDS = 1.0  # without a further alert, all of them have been read


class Follower:
    """Read the alerts topic in a thread while the stream runs."""

    def __init__(self, settings: Settings, on_alert: Callable[[Alert], None]) -> None:
        self.alerts: list[Alert] = []
        self.seen_at: list[float] = []  # wall clock, epoch ms, beside each alert
        self._on_alert = on_alert
        self._stop = threading.Event()
        self._last = time.monotonic()
        self._consumer = _reader(settings, "alerts")
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def drain(self) -> None:
        """Wait until no more alerts come."""
        self._last = time.monotonic()
        while time.monotonic() - self._last < _QUIET_SECONDS:
            time.sleep(0.05)

    def _follow(self) -> None:
        while not self._stop.is_set():
            for records in self._consumer.poll(timeout_ms=50).values():
                now = time.time() * 1000
                self._last = time.monotonic()
                for record in records:
                    alert = Alert.from_json(record.value)
                    self.alerts.append(alert)
                    self.seen_at.append(now)
                    self._on_alert(alert)


def latencies(settings: Settings, follower: Follower) -> dict[str, float]:
    """Measure the milliseconds from sending the event that opened an incident to reading its alert: p50 and p99."""
    sent_at = {
        (alert.series, alert.end): seen
        for alert, seen in zip(follower.alerts, follower.seen_at, strict=True)
        if alert.state == "open"
    }
    form = find_format(settings.job.format, settings.job.event_times)
    consumer = _reader(settings, "observations")
    found: list[float] = []
    try:
        partitions = list(consumer.assignment())
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(p) < ends[p] for p in partitions):
            for records in consumer.poll(timeout_ms=500, max_records=5000).values():
                for record in records:
                    try:
                        series, ts, _ = form.read(record.value or b"", record.key)
                    except BadObservation:
                        continue
                    if (series, ts) in sent_at:
                        found.append(sent_at[series, ts] - record.timestamp)
    finally:
        consumer.close()
    if not found:
        return {}
    return {name: round(float(np.percentile(found, q)), 1) for name, q in (("p50", 50), ("p99", 99))}


def _reader(settings: Settings, role: str) -> Any:
    consumer = kafka_consumer(settings.kafka, fetch_max_wait_ms=20)
    topic = settings.topics.name(role)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    return consumer


def summarise(
    scenario: Scenario, alerts: Sequence[Alert], metrics: dict[str, float], report: Report, seconds: float
) -> dict[str, Any]:
    """Compute all figures except the latency."""
    result = match(alerts, scenario.labels, scenario.intervals)
    return {
        "scenario": scenario.title,
        "events": report.events,
        "events_per_second": round(report.events / seconds),
        "windows_scored": int(metrics.get("windows", 0)),
        "late": int(metrics.get("late", 0)),
        "duplicate": int(metrics.get("duplicate", 0)),
        "bad": int(metrics.get("bad", 0)),
        "alert_messages": len(alerts),
        "incidents": result.incidents,
        "labelled": result.labelled,
        "found": result.found,
        "missed": result.missed,
        "false": result.false if result.labelled else None,
        "recall": round(result.recall, 4) if result.labelled else None,
        "false_per_labelled": round(result.false_per_incident, 4) if result.labelled else None,
        "delay_points_median": round(result.median_delay, 2) if result.delays else None,
        "by_kind": {kind: {"found": f, "labelled": n} for kind, (f, n) in sorted(result.by_kind.items())},
    }


def show(console: Console, summary: dict[str, Any]) -> None:
    """Print the summary for people."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    latency = summary["latency_ms"]
    rows = [
        ("events", f"{summary['events']:,}, {summary['events_per_second']:,} a second (at the replay's pace)"),
        ("late, duplicate, bad", f"{summary['late']}, {summary['duplicate']}, {summary['bad']}"),
        ("alerts", f"{summary['incidents']} incidents, {summary['alert_messages']} messages"),
    ]
    if summary["labelled"]:
        rows += [
            ("labelled incidents", f"{summary['found']} of {summary['labelled']} found ({summary['recall']:.1%})"),
            ("false alerts", f"{summary['false']} ({summary['false_per_labelled']:.2f} per labelled incident)"),
            ("delay", f"{summary['delay_points_median']} points (median)"),
            ("by kind", ", ".join(f"{k} {v['found']}/{v['labelled']}" for k, v in summary["by_kind"].items())),
            ("missed", ", ".join(summary["missed"]) or "none"),
        ]
    rows += [
        ("event to alert", f"p50 {latency['p50']:,.0f} ms, p99 {latency['p99']:,.0f} ms" if latency else "no alert"),
        ("time in all", f"{summary['total_seconds']} s"),
    ]
    for name, text in rows:
        table.add_row(name, text)
    console.print(table)
