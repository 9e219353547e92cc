"""Follow alerts from Kafka, list and show them from Redis: ``eddy alerts …``."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from eddy.alert import Alert
from eddy.cli.main import settings_of
from eddy.errors import DataError
from eddy.feedback import Feedback
from eddy.texts import escaped, json_line

alerts = typer.Typer(no_args_is_help=True, help="Alerts: follow them, list them, show one.")

_JSON = typer.Option(False, "--json", help="print JSON, one alert a line")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(alerts, name="alerts")


@alerts.command()
def tail(
    ctx: typer.Context,
    as_json: bool = _JSON,
    series: str = typer.Option("*", "--series", metavar="GLOB", help="only series that fit, such as 'taxi-*'"),
    from_start: bool = typer.Option(False, "--from-start", help="begin with the oldest alert that Kafka has"),
) -> None:
    """Print alerts as they come; Ctrl-C ends it."""
    from eddy.client import AlertStream

    try:
        with AlertStream(settings_of(ctx).settings, series=series, from_start=from_start) as stream:
            if not as_json:
                typer.echo("waiting for alerts; Ctrl-C ends it", err=True)
            for alert in stream:
                typer.echo(_shown(alert, as_json))
    except KeyboardInterrupt:
        return


@alerts.command("list")
def list_alerts(
    ctx: typer.Context,
    only_open: bool = typer.Option(False, "--open", help="only incidents that are open now"),
    limit: int = typer.Option(50, "--limit", min=1, help="newest so many, without --open"),
    as_json: bool = _JSON,
) -> None:
    """List the newest alerts, or the incidents that are open now, newest first."""
    from eddy.client import LiveState

    live = LiveState(settings_of(ctx).settings)
    found = live.open_incidents() if only_open else live.alerts(limit)
    for alert in found:
        typer.echo(_shown(alert, as_json))
    if not found and not as_json:
        typer.echo("no incident is open" if only_open else "no alerts", err=True)


@alerts.command()
def show(
    ctx: typer.Context, incident: str = typer.Argument(metavar="ID", help="of the incident"), as_json: bool = _JSON
) -> None:
    """Show all that is known of one incident."""
    from eddy.client import LiveState

    settings = settings_of(ctx).settings
    live = LiveState(settings)
    alert = live.alert(incident)
    if alert is None:
        days = settings.redis.ttl_seconds / 86400
        message = f"alert {incident!r}: not in Redis, which keeps them {days:.3g} days; 'eddy alerts list' shows ids"
        raise DataError(message)
    if as_json:
        typer.echo(json_line(alert.to_json()))
        return
    rows = [
        ("id", alert.id),
        ("series", alert.series),
        ("state", alert.state),
        ("severity", f"{alert.severity} ({alert.severity_word})"),
        ("from", _time(alert.start)),
        ("to", _time(alert.end)),
        ("seen", _time(alert.detected_at)),
    ]
    if alert.kind != "silent":
        rows += [
            ("score", f"{alert.score:.4g}, limit {alert.threshold:.4g}"),
            ("points", f"{alert.points} anomalous; {alert.imputed} of the window filled in"),
            ("confidence", f"{alert.confidence:.0%}"),
            ("model", f"{alert.model['name']} version {alert.model['version']} ({alert.detector})"),
        ]
    if alert.suppressed:
        rows.append(("suppressed", alert.suppressed))
    if alert.reason:
        rows.append(("why", alert.reason))
    if alert.made_of:
        rows.append(("interval", alert.made_of))
    if alert.rarity:
        rows.append(("how often", alert.rarity))
    if alert.kind == "group":
        rows.append(("members", f"{alert.member_count} series: {_members(alert)}"))
    rows += [(feature, _feature(alert, feature)) for feature in alert.values]
    said = live.feedback(incident)
    rows += [
        (_said(f), f"by {f.by} at {_time(f.ts)}{f': {f.comment}' * bool(f.comment)}")
        for f in (said.acknowledged, said.verdict)
        if f
    ]
    for name, text in rows:
        typer.echo(f"{escaped(name):12} {escaped(text)}")


def _members(alert: Alert) -> str:
    listed = ", ".join(dict.fromkeys(str(member["series"]) for member in alert.members))
    return listed + (" …" if alert.member_count > len(alert.members) else "")


def _said(feedback: Feedback) -> str:
    return {"ack": "acknowledged", "dismiss": "dismissed"}.get(feedback.action, str(feedback.label))


def _shown(alert: Alert, as_json: bool) -> str:
    if as_json:
        return json_line(alert.to_json())
    silent = alert.kind == "silent"
    score = f"silent: {alert.reason}" if silent else f"score {alert.score:.3g} > {alert.threshold:.3g}"
    head = f"{_time(alert.start)}  {alert.state:6}  {alert.severity:3} {alert.severity_word:8}"
    what = f"group of {alert.member_count} series" if alert.kind == "group" else alert.series
    return escaped(f"{head}  {what}  {score}  {alert.id}{f'  ({alert.suppressed})' if alert.suppressed else ''}")


def _feature(alert: Alert, feature: str) -> str:
    def number(value: float | None) -> str:
        return "missing" if value is None else f"{value:,.6g}"

    band = f"{number(alert.lower.get(feature))} to {number(alert.upper.get(feature))}"
    share = alert.attribution.get(feature)
    text = f"{number(alert.values[feature])}, expected {number(alert.expected.get(feature))} ({band})"
    return text if share is None else f"{text}, {share:.0%} of the score"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
