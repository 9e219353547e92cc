"""Serve the dashboard: ``eddy dashboard``."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, cast

import typer

from eddy.cli.main import settings_of
from eddy.feedback import Action
from eddy.settings import Settings

if TYPE_CHECKING:
    from eddy.dashboard.stores.incidents import Incident
    from eddy.dashboard.web.actions import Actions

_ANSWER_MS = 5_000
_BY = "page"
_SAID = {"ack": "acknowledged", "unack": "given back", "dismiss": "dismissed", "label": "labelled"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(dashboard)


def dashboard(
    ctx: typer.Context,
    host: str = typer.Option("", "--host", help="address to listen on [dashboard.host]"),
    port: int = typer.Option(0, "--port", min=0, max=65535, help="[dashboard.port]"),
) -> None:
    """Serve the dashboard until Ctrl-C: what is wrong now, series, incidents, models, dead letters."""
    from eddy.dashboard.web.server import DashboardServer

    settings = settings_of(ctx).settings
    given: dict[str, object] = {name: value for name, value in (("host", host), ("port", port)) if value}
    settings = settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update=given)})

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    server = DashboardServer(settings, actions_of(settings))
    typer.echo(f"the dashboard is {server.url}; Ctrl-C ends it", err=True)
    try:
        server.run()
    except KeyboardInterrupt:
        return
    finally:
        server.close()


def actions_of(settings: Settings) -> Actions:
    """Return the functions behind the dashboard's buttons."""
    from eddy.dashboard.web.actions import Actions
    from eddy.feedback_sender import feedback_on, send_feedback

    short = settings.kafka.model_copy(update={"request_timeout_ms": _ANSWER_MS})  # somebody waits for the dashboard
    quick = settings.model_copy(update={"kafka": short})

    def rollback(name: str, version: int) -> str:
        from eddy.training.registry.registry import Registry

        published = Registry(quick).rollback(name, version)
        return f"{name}: version {version} is back, published as version {published.version}"

    def replay(reason: str) -> str:
        from eddy.ops.dead_letters import Replay

        work = Replay(quick, reason)
        work.run()
        return f"sent {work.sent.total():,} dead letters again"

    def feedback(incident: Incident, action: str, label: str) -> str:
        alert = incident.alert
        messages = feedback_on(alert, cast("Action", action), _BY, label if action == "label" else None)
        send_feedback(quick, messages)
        return f"{alert.series}: {_SAID[action]}{f' {label}' if action == 'label' else ''}"

    return Actions(feedback, rollback, replay)
