"""Manage series of the running job: ``eddy series reset``."""

from __future__ import annotations

import getpass
import time

import typer

from eddy.cli.main import settings_of

series = typer.Typer(no_args_is_help=True, help="Series: have the job begin one anew.")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(series, name="series")


@series.command()
def reset(
    ctx: typer.Context,
    name: str = typer.Argument(metavar="SERIES", help="id of the series"),
    by: str = typer.Option("", "--by", help="who says so [the user of this computer]"),
    comment: str = typer.Option("", "--comment", help="why, for colleagues"),
    as_json: bool = typer.Option(False, "--json", help="print what was sent as JSON"),
) -> None:
    """Have the job forget a series: its time, windows and what models have learned; its open incidents are closed."""
    from eddy.feedback import reset_of
    from eddy.feedback_sender import send_feedback

    settings = settings_of(ctx).settings
    message = reset_of(name, by or getpass.getuser(), int(time.time() * 1000), comment)
    send_feedback(settings, [message])
    where = settings.topics.name("events")
    typer.echo(message.to_json().decode() if as_json else f"{name}: reset sent; the job's answer comes on {where}")
