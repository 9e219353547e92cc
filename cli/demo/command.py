"""Run everything at once on this machine: ``eddy demo``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from eddy.cli.main import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(demo)


def demo(
    ctx: typer.Context,
    data: Path | None = typer.Option(
        None, "--data", help="a CSV of NAB's format (timestamp,value) in place of the stream"
    ),
    labels: Path | None = typer.Option(None, "--labels", help="NAB's combined_windows.json, with --data"),
    exit_after: bool = typer.Option(False, "--exit", help="end everything after the summary"),
    json_file: Path | None = typer.Option(None, "--json", metavar="FILE", help="write the summary there"),
    speed: float | None = typer.Option(None, "--speed", min=1, help="seconds of event time per second"),
    seed: int = typer.Option(7, "--seed", help="of the synthetic stream"),
) -> None:
    """Start Kafka, Redis and Flink, train, stream labelled data, show alerts as they come, sum up."""
    from eddy.cli.demo.run import Demo
    from eddy.cli.demo.scenarios import scenario

    run = Demo(settings_of(ctx), scenario(data, labels, seed))
    with run:
        summary = run.stream(speed)
        if json_file is not None:
            json_file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        if not exit_after:
            run.stay()
