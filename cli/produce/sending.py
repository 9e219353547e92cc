"""Send a source for the producers' commands: settings, waiting, progress, report, exit code."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from eddy.cli.main import settings_of
from eddy.cli.produce.options import LabelOutput, Sending
from eddy.errors import DataError

if TYPE_CHECKING:
    from eddy.producers.report import Report, Tally
    from eddy.producers.source import Source
    from eddy.producers.synthetic import SyntheticStream

MakeSource = Callable[[threading.Event, Callable[[str], None]], "Source"]


def replay(ctx: typer.Context, make: Callable[[], Source], sending: Sending) -> None:
    """Replay a finite source, from an offset and repeatedly if asked for."""
    from eddy.producers.source import Replay

    producer = settings_of(ctx).settings.producer
    start = producer.start_offset if sending.start_offset is None else sending.start_offset
    again = producer.loop if sending.loop is None else sending.loop
    send(ctx, lambda *_: Replay(make(), start, loop=again), sending)


def send_stream(
    ctx: typer.Context,
    stream: SyntheticStream,
    name: str,
    part: Any,
    labels: LabelOutput,
    sending: Sending,
) -> None:
    """Write and send the labels, then send the stream."""
    from eddy.producers.labels import write_labels
    from eddy.producers.sender import send_labels
    from eddy.producers.synthetic import SyntheticSource

    settings = settings_of(ctx).settings
    path = labels.labels or Path(settings.stack.data_dir) / "labels" / f"{name}-{stream.seed}.json"
    write_labels(path, stream.labels, stream.seed)
    typer.echo(f"labels: {len(stream.labels)} incidents in {path}", err=True)
    if labels.labels_topic and part != "train":
        send_labels(stream.labels, settings)
    send(ctx, lambda *_: SyntheticSource(stream, part), sending)


def send(ctx: typer.Context, make: MakeSource, sending: Sending) -> None:
    """Send a source and report; exit with code 1 if anything did not arrive, or no row could be used."""
    from eddy.producers.pace import Pace

    configuration = settings_of(ctx)
    settings = configuration.settings
    if sending.client not in (None, "kafka-python", "librdkafka"):
        raise DataError(f"--client {sending.client}: expected kafka-python or librdkafka")
    delay = settings.producer.delay_seconds if sending.delay is None else sending.delay
    # Loaded after the options have been checked: the Kafka clients take a second.
    pace = Pace.parse(sending.speed, delay)
    from eddy.producers import sender
    from eddy.producers.app_wait import wait_for_app
    from eddy.producers.transport import LOGGER

    for client_name in ("kafka", LOGGER):  # the user need not see their retries; failures are reported
        logging.getLogger(client_name).addHandler(logging.NullHandler())
    # The setting is on by default for the job's own deployments; here only a user who asks for it waits.
    asked = "wait_for_app" in configuration.sources and settings.wait_for_app
    console = Console(stderr=True)

    def notify(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with sender.stop_on_signals() as stop:
        if asked if sending.wait is None else sending.wait:
            wait_for_app(settings, settings.stack.wait_seconds, notify, stop)
        with _shown_progress(console, "sending", show=not sending.as_json) as update:
            client: Any = sending.client
            report = sender.send(make(stop, notify), settings, pace, stop=stop, on_progress=update, client=client)
    _print(report, sending.as_json)
    if report.lost:
        raise typer.Exit(1)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
        return
    for line in report.lines():
        typer.echo(line)


@contextmanager
def _shown_progress(console: Console, title: str, *, show: bool) -> Iterator[Callable[[Tally], None]]:
    """Yield a function to call with the tally; it draws a line with events, rate and event time on a terminal."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not (show and console.is_terminal)) as progress:
        task = progress.add_task(title, total=None, detail="")

        def update(tally: Tally) -> None:
            at = "" if tally.last_ts is None else datetime.fromtimestamp(tally.last_ts / 1000, UTC).strftime("%F %H:%M")
            waiting = ", waiting for Kafka" if tally.waiting else ""
            detail = f"{tally.events:,} events, {tally.rate():,.0f}/s, event time {at}{waiting}"
            progress.update(task, completed=tally.events, total=tally.total, detail=detail)

        yield update
