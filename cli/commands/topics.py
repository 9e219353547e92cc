"""Create and check the Kafka topics, on whatever broker the settings name: ``eddy topics``."""

from __future__ import annotations

import time

import typer

from eddy.cli.main import settings_of


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    topics = typer.Typer(no_args_is_help=True, help="The Kafka topics: create what is missing, check what is there.")
    app.add_typer(topics, name="topics")

    @topics.command()
    def create(
        ctx: typer.Context,
        replication: int = typer.Option(1, "--replication", min=1, help="copies of each partition; 3 in production"),
        wait: float = typer.Option(60, "--wait", min=0, help="seconds to wait for the broker"),
    ) -> None:
        """Create the topics that are missing, the registry's compacted."""
        from eddy.stack.topics import create_missing

        settings = settings_of(ctx).settings
        made = create_missing(settings, settings.kafka.bootstrap_servers, time.monotonic() + wait, replication)
        typer.echo(f"created: {', '.join(sorted(made))}" if made else "all topics are there")

    @topics.command()
    def check(ctx: typer.Context) -> None:
        """Check the topics, and print their problems; exit code 1 if anything is."""
        from kafka.errors import KafkaError

        from eddy.errors import StackError
        from eddy.stack.topics import problems

        settings = settings_of(ctx).settings
        try:
            found = problems(settings)
        except KafkaError as error:
            raise StackError(f"Kafka does not answer at {settings.kafka.bootstrap_servers}: {error}") from None
        for line in found or ["all topics are as they should be"]:
            typer.echo(line)
        if found:
            raise typer.Exit(1)
