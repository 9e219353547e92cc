"""Serve metrics for Prometheus: ``eddy exporter``."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import typer

from eddy.cli.main import settings_of
from eddy.data_folder import data_dir


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(exporter)


def exporter(
    ctx: typer.Context,
    host: str = typer.Option("127.0.0.1", "--host", help="address to listen on"),
    port: int = typer.Option(9310, "--port", min=0, max=65535, help="port to listen on; 0 = any that is free"),
    disks: list[Path] = typer.Option(
        [], "--disk", help="folder whose disk is watched; repeatable; default: the local stack's data folder"
    ),
    dashboard: str = typer.Option("", "--dashboard", metavar="HOST:PORT", help="default: as in the settings"),
) -> None:
    """Serve trainer, Redis's memory, dashboard and disks as metrics for Prometheus, until Ctrl-C."""
    from eddy.ops.exporter import Exporter, MetricsServer

    settings = settings_of(ctx).settings
    source = Exporter(settings, disks or [data_dir(settings.stack)], dashboard)
    with MetricsServer(source, host, port) as server:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        typer.echo(f"metrics at http://{host}:{server.server_port}/metrics; Ctrl-C ends it", err=True)
        stop.wait()
        server.shutdown()
        thread.join()
    source.close()
