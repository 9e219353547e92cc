"""``eddy config``: what the settings are, and where each of them came from."""

from __future__ import annotations

import json

import typer

from cli.main import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    group = typer.Typer(no_args_is_help=True, help="Settings.")
    app.add_typer(group, name="config")

    @group.command()
    def show(ctx: typer.Context, as_json: bool = typer.Option(False, "--json", help="print JSON")) -> None:
        """Print every setting with its source; secrets are masked."""
        rows = settings_of(ctx).rows()
        if as_json:
            items = [{"key": key, "value": value, "source": source} for key, value, source in rows]
            typer.echo(json.dumps(items, indent=2))
            return
        keys, values = (max(len(row[column]) for row in rows) for column in (0, 1))
        for key, value, source in rows:
            typer.echo(f"{key:<{keys}}  {value:<{values}}  {source}")

    @group.callback()
    def _group() -> None:
        """Keep ``show`` a subcommand: with one command alone typer would fold it into the group."""
