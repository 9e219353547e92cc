"""Send a source for the producers' commands: settings, waiting, progress, report, exit code."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.main import settings_of
from eddy.errors import DataError

if TYPE_CHECKING:
    from eddy.producers.report import Report
    from eddy.producers.source import Source
    from eddy.producers.synthetic import SyntheticStream

MakeSource = Callable[[threading.Event, Callable[[str], None]], "Source"]


@dataclass(frozen=True)
class Sending:
    """Hold the options that all producers share."""

    speed: str | None
    delay: float | None = None
    client: str | None = None
    wait: bool | None = None
    as_json: bool = False


def replay(
    ctx: typer.Context, make: Callable[[], Source], offset: int | None, loop: bool | None, sending: Sending
) -> None:
    """Replay a finite source, from an offset and repeatedly if asked for."""
    from eddy.producers.source import Replay

    producer = settings_of(ctx).settings.producer
    start = producer.start_offset if offset is None else offset
    again = producer.loop if loop is None else loop
    send(ctx, lambda *_: Replay(make(), start, loop=again), sending)


def send_stream(
    ctx: typer.Context,
    stream: SyntheticStream,
    name: str,
    part: Any,
    labels: Path | None,
    labels_topic: bool,
    sending: Sending,
) -> None:
    """Write and send the labels, then send the stream."""
    from eddy.producers.label_sender import send_labels
    from eddy.producers.labels import write_labels
    from eddy.producers.synthetic import SyntheticSource

    settings = settings_of(ctx).settings
    path = labels or Path(settings.stack.data_dir) / "labels" / f"{name}-{stream.seed}.json"
    write_labels(path, stream.labels, stream.seed)
    typer.echo(f"labels: {len(stream.labels)} incidents in {path}", err=True)
    if labels_topic and part != "train":
        send_labels(stream.labels, settings)
    send(ctx, lambda *_: SyntheticSource(stream, part), sending)


def send(ctx: typer.Context, make: MakeSource, sending: Sending) -> None:
    """Send a source and report; exit with code 1 if anything did not arrive."""
    from eddy.producers.pace import Pace

    configuration = settings_of(ctx)
    settings = configuration.settings
    if sending.client not in (None, "kafka-python", "librdkafka"):
        raise DataError(f"--client {sending.client}: expected kafka-python or librdkafka")
    delay = settings.producer.delay_seconds if sending.delay is None else sending.delay
    # Loaded after the options have been checked: the Kafka clients take a second.
    pace = Pace.parse(sending.speed, delay)
    from rich.console import Console

    from eddy.producers import sender
    from eddy.producers.app_wait import wait_for_app
    from eddy.producers.progress import shown_progress
    from eddy.producers.transport import LOGGER

    for client_name in ("kafka", LOGGER):  # the user need not see their retries; failures are reported
        logging.getLogger(client_name).addHandler(logging.NullHandler())
    # The setting is on by default for the job's own deployments; here only a user who asks for it waits.
    asked = "wait_for_app" in configuration.sources and settings.wait_for_app
    console = Console(stderr=True)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with sender.stop_on_signals() as stop:
        if asked if sending.wait is None else sending.wait:
            wait_for_app(settings, settings.stack.wait_seconds, say, stop)
        with shown_progress(console, "sending", show=not sending.as_json) as update:
            client: Any = sending.client
            report = sender.send(make(stop, say), settings, pace, stop=stop, on_progress=update, client=client)
    _print(report, sending.as_json)
    if report.failed:
        raise typer.Exit(1)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
        return
    for line in report.lines():
        typer.echo(line)
