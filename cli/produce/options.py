"""Define the options that the producers' commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True)
class Sending:
    """Hold how a source is sent; commands without a finite source leave out the options that need one."""

    speed: Annotated[
        str | None,
        typer.Option("--speed", help="'max', or seconds of event time per second (3600 = an hour each second)"),
    ] = None
    delay: Annotated[
        float | None,
        typer.Option(
            "--delay", min=0, help="seconds after each message, without --speed (default: producer.delay_seconds)"
        ),
    ] = None
    start_offset: Annotated[
        int | None,
        typer.Option(
            "--start-offset", min=0, help="observations left out at the start (default: producer.start_offset)"
        ),
    ] = None
    loop: Annotated[
        bool | None,
        typer.Option("--loop/--no-loop", help="start again at the end, event time moving on (default: producer.loop)"),
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="fail at the first bad row instead of skipping it")] = False
    client: Annotated[
        str | None,
        typer.Option("--client", help="kafka-python or librdkafka (default: librdkafka flat out, else kafka-python)"),
    ] = None
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait-for-app/--no-wait-for-app",
            help="send only once the job runs (default: no, unless WAIT_FOR_APP is set)",
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False


@dataclass(frozen=True)
class LabelOutput:
    """Hold where the labels of a synthetic stream go."""

    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="file for the labels (default: labels/NAME-SEED.json under stack.data_dir)"),
    ] = None
    labels_topic: Annotated[
        bool, typer.Option("--labels-topic/--no-labels-topic", help="also send the labels to their own topic")
    ] = True
