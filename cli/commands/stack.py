"""Operate the local stack: ``eddy up``, ``down``, ``status``, ``jars`` and ``doctor``."""

from __future__ import annotations

import dataclasses
import json
import signal
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from eddy.cli.main import settings_of
from eddy.texts import escaped

if TYPE_CHECKING:
    from eddy.stack.local import Stack

AS_JSON = typer.Option(False, "--json", help="print JSON")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""

    @app.command()
    def up(
        ctx: typer.Context,
        as_json: bool = AS_JSON,
        watch: bool = typer.Option(False, "--watch", help="stay, and start again what dies, until Ctrl-C"),
    ) -> None:
        """Start the local stack (Kafka, Redis, Flink, the dashboard) and wait until all of it serves.

        Jobs that 'eddy job submit' started and that went with their JobManager go on from their newest checkpoint.
        """
        from eddy.configuration import secrets_as_environment
        from eddy.ops.job_recovery import keep_running, recover
        from eddy.stack.local import Stack

        stack = Stack(settings_of(ctx).settings)
        if not as_json:
            typer.echo("starting Kafka, Redis, Flink and the dashboard …", err=True)
        began = time.monotonic()
        started = stack.up()
        recover(stack, secrets_as_environment(stack.settings), lambda line: typer.echo(line, err=True))
        took = f"up after {time.monotonic() - began:.1f} s; data in {stack.folder}" if started else "already up"
        _show(stack, as_json)
        if not as_json:
            typer.echo(f"{took}; 'eddy down' ends it")
        if watch:
            stop = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            keep_running(settings_of(ctx), stack, stop.wait, lambda line: typer.echo(f"{_now()} {line}", err=True))

    @app.command()
    def down(ctx: typer.Context) -> None:
        """End the local stack: only the processes that 'eddy up' started."""
        from eddy.stack.local import Stack

        ended = Stack(settings_of(ctx).settings).down()
        typer.echo(f"ended: {', '.join(ended)}" if ended else "nothing was running")

    @app.command()
    def status(ctx: typer.Context, as_json: bool = AS_JSON) -> None:
        """Show each process of the local stack; exit code 1 if one is missing or ill."""
        from eddy.stack.local import Stack

        if not _show(Stack(settings_of(ctx).settings), as_json):
            raise typer.Exit(1)

    @app.command()
    def jars(job: bool = typer.Option(False, "--job", help="only what the job needs, not the local broker")) -> None:
        """Fetch the Java archives with Maven and compile Eddy's own; needs a JDK 17 and Maven, once."""
        from eddy.stack.jars import PARTS, flink_jars, prepare

        for line in prepare(("flink",) if job else PARTS):
            typer.echo(line)
        for jar in flink_jars():
            typer.echo(jar)

    @app.command()
    def doctor(ctx: typer.Context, as_json: bool = AS_JSON) -> None:
        """Check this machine and the stack, and suggest what to do about each problem; exit code 1 on a failure."""
        from eddy.ops.job_checks import examine_job
        from eddy.stack.doctor import examine

        settings = settings_of(ctx).settings
        checks = [*examine(settings), *examine_job(settings)]
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
        else:
            said = [dataclasses.astuple(check) for check in checks]
            rows = [
                (level.upper() if todo else "ok", escaped(name), escaped(found)) for name, level, found, todo in said
            ]
            for line, check in zip(_aligned(rows), checks, strict=True):
                typer.echo(line + (f"\n      → {escaped(check.todo)}" if check.todo else ""))
        if any(check.level == "fail" for check in checks):
            raise typer.Exit(1)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _show(stack: Stack, as_json: bool) -> bool:
    """Print the state of every process; return whether all are well."""
    states = stack.status()
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(state) for state in states], indent=2))
    else:
        rows = [("process", "pid", "address", "state", "log")]
        rows += [(s.name, str(s.pid or "-"), s.address or "-", s.problem or "healthy", s.log or "-") for s in states]
        typer.echo("\n".join(_aligned(rows)))
    return all(state.running for state in states)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Format rows as lines with columns of equal width; the last column keeps its length."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
