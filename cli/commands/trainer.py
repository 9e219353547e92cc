"""Run the trainer, ``eddy trainer``, and ask it for a model, ``eddy models retrain``."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import typer

from eddy.cli.commands.models import models
from eddy.cli.main import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(trainer)
    models.command()(retrain)


def trainer(
    ctx: typer.Context,
    data: Path | None = typer.Option(None, "--data", help="learn from this file or folder, not from the observations"),
    once: bool = typer.Option(False, "--once", help="serve the requests that are there, then end"),
    as_json: bool = typer.Option(False, "--json", help="print the result as JSON (with --once)"),
) -> None:
    """Serve training requests until interrupted: fit in a process of its own, publish only what is better.

    Requests come from the job (drift, new series), from 'eddy models retrain' and from learning.schedule_hours.
    """
    from eddy.training.trainer.service import Trainer

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    quiet = as_json and once
    service = Trainer(settings_of(ctx).settings, data, (lambda _: None) if quiet else typer.echo)
    if not quiet:
        typer.echo("trainer waits for requests")
    try:
        served = service.run(stop, once)
    finally:
        service.close()
    if as_json:
        typer.echo(json.dumps({"trainings": served}))
    elif once:
        typer.echo(f"{served} trainings")


def retrain(
    ctx: typer.Context,
    name: str = typer.Argument(..., help="model"),
    as_json: bool = typer.Option(False, "--json", help="print the request as JSON"),
) -> None:
    """Ask the trainer for a new version of a model; it is published only if it is better."""
    from eddy.training.registry.registry import Registry
    from eddy.training.trainer.requests import send_request

    settings = settings_of(ctx).settings
    Registry(settings).read().find(name)
    request = send_request(settings, name)
    if as_json:
        typer.echo(request.to_json().decode())
        return
    typer.echo(f"asked for a new version of {name}; 'eddy trainer' serves it, 'eddy models list' shows it")
