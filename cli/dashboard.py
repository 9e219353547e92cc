"""``eddy dashboard``: the page."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import typer

from cli.main import settings_of

if TYPE_CHECKING:
    from dashboard.actions import Actions
    from eddy.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(dashboard)


def dashboard(
    ctx: typer.Context,
    host: str = typer.Option("", "--host", help="address to listen on [dashboard.host]"),
    port: int = typer.Option(0, "--port", min=0, max=65535, help="[dashboard.port]"),
) -> None:
    """Serve the page until Ctrl-C: what is wrong now, series, incidents, models, dead letters."""
    from dashboard.server import serve

    settings = settings_of(ctx).settings
    given: dict[str, object] = {name: value for name, value in (("host", host), ("port", port)) if value}
    settings = settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update=given)})

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    serve(settings, actions_of(settings), lambda url: typer.echo(f"the page is {url}; Ctrl-C ends it", err=True))


def actions_of(settings: Settings) -> Actions:
    """What the page's buttons do."""
    from dashboard.actions import Actions
    from dashboard.feedback_sender import FeedbackSender

    def rollback(name: str, version: int) -> str:
        from training.registry import Registry

        published = Registry(settings).rollback(name, version)
        return f"{name}: version {version} is back, published as version {published.version}"

    def replay(reason: str) -> str:
        from cli.dead_letters import Replay

        work = Replay(settings, reason)
        work.run()
        return f"sent {work.sent.total():,} letters again"

    return Actions(FeedbackSender(settings).send, rollback, replay)
