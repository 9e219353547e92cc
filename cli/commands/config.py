"""Show the settings and the source of each: ``eddy config``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from eddy.cli.main import settings_of
from eddy.errors import SettingsError
from eddy.feedback import Feedback
from eddy.models.artifacts.manifest import Manifest
from eddy.training_request import TrainingRequest


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

    @group.command()
    def schemas(folder: Path = typer.Argument(..., help="folder to write to; made if it is not there")) -> None:
        """Write the JSON Schemas of the messages that other programs may send: manifests, feedback, requests."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, message in (("model", Manifest), ("feedback", Feedback), ("training-request", TrainingRequest)):
            text = json.dumps(message.json_schema(), indent=2, ensure_ascii=False) + "\n"
            (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")

    @group.command()
    def acls(
        ctx: typer.Context,
        role: str = typer.Argument(..., help="producer, job, trainer, page, operator, reader or exporter"),
        principal: str = typer.Option("", "--user", metavar="NAME", help="default: eddy-<role>"),
    ) -> None:
        """Print the commands that give a Kafka user what a part of Eddy needs, and no more."""
        from eddy.stack.acls import ROLES, commands, redis_role, redis_rules

        known = next((known for known in ROLES if known == role), None)
        if known is None:
            raise SettingsError(f"role {role!r} is unknown; known: {', '.join(ROLES)}")
        typer.echo(f"# {ROLES[known]}")
        for line in commands(settings_of(ctx).settings, known, principal or f"eddy-{role}"):
            typer.echo(line)
        if user := redis_role(known):
            rules = redis_rules(settings_of(ctx).settings, user)
            typer.echo(f"redis-cli ACL SETUSER {principal or f'eddy-{role}'} on '>PASSWORD' {rules}")
