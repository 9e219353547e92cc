"""Run the demo: stack, training beside submission, replay with alerts as they come, summary."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eddy.alert import Alert
from eddy.cli.demo.scenarios import Scenario
from eddy.cli.demo.summary import Follower, latencies, show, summarise
from eddy.configuration import Configuration, load
from eddy.flink_job.client.cluster import Cluster
from eddy.ops.job_targets import submit_locally
from eddy.producers.pace import Pace
from eddy.producers.sender import send, send_labels
from eddy.stack import dashboard
from eddy.stack.local import Stack
from eddy.training.registry.registry import Registry

_SETTLE_SECONDS = 60.0  # for the job to handle the last events
_SEVERITY_COLOURS = {"critical": "red", "high": "dark_orange", "medium": "yellow", "low": "blue"}


class Demo:
    """Own a stack in a fresh folder of its own; leaving the ``with`` block ends it."""

    def __init__(self, configuration: Configuration, scenario: Scenario) -> None:
        self._scenario = scenario
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        own = [f"{key}={value}" for key, value in _demo_settings(configuration).items()]
        secret = ("password", "token", "signing_key")
        given = [f"{k}={v}" for k, v, source in configuration.rows() if source != "default" and not k.endswith(secret)]
        if (token := configuration.settings.dashboard.token) is not None:
            given.append(f"dashboard.token={token.get_secret_value()}")
        self._configuration = load([*own, *given], environ={})
        self.settings = self._configuration.settings
        self._stack = Stack(self.settings, owned=True)
        self._job = ""

    def __enter__(self) -> Demo:
        self._say(f"[bold]{self._scenario.title}[/]")
        self._say("starting Kafka, Redis and Flink …")
        if not any(process.running for process in self._stack.status()):
            shutil.rmtree(self._stack.folder, ignore_errors=True)  # what an earlier demo left
        self._stack.up()
        try:
            self._prepare()
        except BaseException:
            self._stack.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.down()

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {text}")

    def _prepare(self) -> None:
        """Train while the job is submitted: one waits for the cores, the other mostly for the cluster."""
        address = self._stack.flink_address
        self._say("training, and submitting the job …")
        with ThreadPoolExecutor(1) as pool, _progress(self._console) as bar:
            submitted = pool.submit(submit_locally, self._configuration)
            task = bar.add_task("training", total=1.0)

            def progress(what: str, share: float) -> None:
                bar.update(task, description=what, completed=share)

            models = self._scenario.train(self._stack.folder / "artifacts", progress)
            bar.update(task, completed=1.0)
            self._job = submitted.result()
        registry = Registry(self.settings)
        for manifest, content in models:
            registry.publish(manifest, content)
            self._say(
                f"published [bold]{manifest.name}[/] version {manifest.version}: {manifest.detector}, "
                f"series {' '.join(manifest.series)}, window {manifest.window}"
            )
        send_labels(self._scenario.labels, self.settings)
        self._say(f"job {self._job} runs; Flink's own page is {address.url} (needs a certificate: docs/security.md)")
        if dashboard.names(self.settings):
            self._say(f"[bold]the dashboard is {self._stack.dashboard_address}[/]")

    def stream(self, speed: float | None) -> dict[str, Any]:
        """Replay, print alerts as they come, and return the summary."""
        source = self._scenario.source()
        pace = Pace(speed if speed is not None else self._scenario.speed())
        cluster, total = Cluster(self._stack.flink_address), source.total or 0
        self._say(f"streaming {total:,} events at {pace.speed:,.0f} times the speed of event time …")
        with (
            _progress(self._console) as bar,
            Follower(self.settings, lambda alert: self._alert(bar, alert)) as follower,
        ):
            task = bar.add_task("events", total=total)
            began = time.monotonic()
            report = send(
                source,
                self.settings,
                pace,
                client="librdkafka",
                stop=_on_interrupt(),
                on_progress=lambda tally: bar.update(task, completed=tally.events),
            )
            _settled(cluster, self._job, report.events)
            seconds = time.monotonic() - began
            follower.drain()
        metrics = cluster.metrics(self._job)
        summary = summarise(self._scenario, follower.alerts, metrics, report, seconds)
        summary["latency_ms"] = latencies(self.settings, follower)
        summary["total_seconds"] = round(time.monotonic() - self._began, 1)
        show(self._console, summary)
        return summary

    def _alert(self, bar: Progress, alert: Alert) -> None:
        if alert.state == "update":
            return
        when = datetime.fromtimestamp(alert.end / 1000, UTC).strftime("%d %b %H:%M")
        colour = _SEVERITY_COLOURS[alert.severity_word]
        seen = alert.reason or ", ".join(_seen(alert, feature) for feature in alert.values)
        verb = "[bold]opened[/]" if alert.state == "open" else f"[dim]closed after {alert.points} points[/]"
        bar.console.print(
            f"  {when}  [{colour}]{alert.severity_word:8}[/] {alert.series:12} {verb} {seen} [dim]{alert.detector}[/]"
        )

    def stay(self) -> None:
        """Leave everything up until Ctrl-C or a termination signal."""
        redis, kafka = self.settings.redis, self.settings.kafka
        if dashboard.names(self.settings):
            self._say(f"[bold]Dashboard  {self._stack.dashboard_address}[/]")
        self._say(f"Flink  {self._stack.flink_address.url} (needs a certificate: docs/security.md)")
        self._say(f"Kafka  {kafka.bootstrap_servers}, topics {self.settings.topics.prefix}.*")
        self._say(f"Redis  redis-cli -p {redis.port}, keys {redis.prefix}:*")
        self._say("Everything stays up; Ctrl-C ends it.")
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()
        self._say("ending …")


def _demo_settings(configuration: Configuration) -> dict[str, object]:
    """Return the settings that differ from the user's: a folder of its own, and fewer shards."""
    stack = configuration.settings.stack
    return {
        "stack.data_dir": Path(stack.data_dir) / "demo",
        "kafka.bootstrap_servers": f"{stack.host}:{stack.kafka_port}",
        "redis.port": stack.redis_port,
        # At the demo's rate, frames of sixteen shards would hold a handful of events each: four fill them better.
        "job.shards": 4,
    }


def _seen(alert: Alert, feature: str) -> str:
    value, expected = alert.values.get(feature), alert.expected.get(feature)
    if value is None:
        return f"{feature} missing"
    return f"{feature} {value:,.4g}" + ("" if expected is None else f", expected {expected:,.4g}")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _on_interrupt() -> threading.Event:
    """Return an event that Ctrl-C sets: the replay ends early and the summary covers the events sent until then."""
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    return stop


def _settled(cluster: Cluster, job: str, events: int) -> None:
    """Wait until the job has handled all events, so that the summary covers them all."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while cluster.metrics(job).get("events", 0) < events and time.monotonic() < deadline:
        time.sleep(0.2)
