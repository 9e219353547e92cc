"""Send feedback: ``eddy alerts ack|unack|dismiss|label``; write all labels: ``eddy alerts labels``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from eddy.alert import Alert
from eddy.cli.commands.alerts import alerts
from eddy.cli.main import settings_of
from eddy.errors import DataError
from eddy.feedback import Action
from eddy.settings import Settings
from eddy.texts import escaped, json_line

_ID = typer.Argument(metavar="ID", help="of the incident or group, as 'eddy alerts list' shows it")
_BY = typer.Option("", "--by", help="who says so [the user of this computer]")
_COMMENT = typer.Option("", "--comment", help="why, for colleagues")
_JSON = typer.Option(False, "--json", help="print what was sent as JSON, one message a line")


def register(app: typer.Typer) -> None:
    """Add the commands to the group ``alerts``, which exists already."""


@alerts.command()
def ack(ctx: typer.Context, incident: str = _ID, by: str = _BY, comment: str = _COMMENT, as_json: bool = _JSON) -> None:
    """Acknowledge an incident: its later alerts are marked as acknowledged."""
    _say(ctx, incident, "ack", by, comment, as_json)


@alerts.command()
def unack(
    ctx: typer.Context, incident: str = _ID, by: str = _BY, comment: str = _COMMENT, as_json: bool = _JSON
) -> None:
    """Withdraw the acknowledgement of an incident."""
    _say(ctx, incident, "unack", by, comment, as_json)


@alerts.command()
def dismiss(
    ctx: typer.Context, incident: str = _ID, by: str = _BY, comment: str = _COMMENT, as_json: bool = _JSON
) -> None:
    """Dismiss an incident that was no anomaly: its limits rise by job.feedback_step, up to job.max_feedback_factor."""
    _say(ctx, incident, "dismiss", by, comment, as_json)


@alerts.command()
def label(
    ctx: typer.Context,
    incident: str = _ID,
    what: str = typer.Argument(metavar="LABEL", help="'normal', or a name for the kind of anomaly, such as 'spike'"),
    by: str = _BY,
    comment: str = _COMMENT,
    as_json: bool = _JSON,
) -> None:
    """Label an incident; 'eddy alerts labels' hands the labels to evaluation and training."""
    _say(ctx, incident, "label", by, comment, as_json, what)


@alerts.command()
def labels(
    ctx: typer.Context,
    out: Path | None = typer.Option(None, "--out", help="write them to this file in the form of NAB's labels"),
    normal: bool = typer.Option(False, "--normal", help="what was dismissed or labelled normal, not the anomalies"),
) -> None:
    """Write all labels that were given: for 'eddy evaluate csv --labels' and 'eddy train --labels'."""
    from eddy.training.data import feedback_labels

    found = feedback_labels.read(settings_of(ctx).settings)
    windows = found.normal if normal else found.anomalies
    if out is None:
        typer.echo(json.dumps(feedback_labels.shown(windows), indent=1, sort_keys=True))
        return
    feedback_labels.write_windows(out, windows)
    count = sum(len(spans) for spans in windows.values())
    typer.echo(f"{out}: {count} {'incidents' if count != 1 else 'incident'} of {len(windows)} series")


def _say(
    ctx: typer.Context, incident: str, action: Action, by: str, comment: str, as_json: bool, what: str | None = None
) -> None:
    from eddy.feedback_sender import feedback_on, send_feedback

    settings = settings_of(ctx).settings
    alert = find_alert(settings, incident)
    messages = feedback_on(alert, action, by, what, comment)
    send_feedback(settings, messages)
    if as_json:
        for message in messages:
            typer.echo(json_line(message.to_json()))
        return
    said = {"ack": "acknowledged", "unack": "given back", "dismiss": "dismissed"}.get(action, f"labelled {what}")
    also = f", {len(messages) - 1} members with it" if len(messages) > 1 else ""
    typer.echo(escaped(f"{incident} of {alert.series}: {said} by {messages[0].by}{also}"))


def find_alert(settings: Settings, incident: str) -> Alert:
    """Return the newest alert of an incident: from Redis, or from Kafka if Redis does not have it (any more).

    Raises:
        DataError: neither has it.
        StackError: Kafka does not answer.
    """
    from eddy.client import AlertStream, LiveState
    from eddy.errors import StackError

    try:
        found = LiveState(settings).alert(incident)
    except StackError:
        found = None
    if found is None:
        with AlertStream(settings, from_start=True, stop_at_end=True) as stream:
            for alert in stream:
                found = alert if alert.id == incident else found
    if found is None:
        raise DataError(f"alert {incident!r}: neither Redis nor Kafka has it; 'eddy alerts list' shows ids")
    return found
