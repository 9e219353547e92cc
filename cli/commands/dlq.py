"""List dead letters with their reasons, and replay them: ``eddy dlq …``."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import typer

from eddy.cli.main import settings_of
from eddy.texts import escaped

dlq = typer.Typer(no_args_is_help=True, help="Dead letters: messages that could not be used, with the reason.")

_JSON = typer.Option(False, "--json", help="print JSON")
_REASON = typer.Option("", "--reason", metavar="R", help="only dead letters with this reason, such as late")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(dlq, name="dlq")


@dlq.command("list")
def list_dead_letters(
    ctx: typer.Context,
    reason: str = _REASON,
    as_json: bool = _JSON,
    limit: int = typer.Option(10, "--limit", min=0, metavar="N", help="show the newest N of each reason"),
) -> None:
    """Count the dead letters by reason and show the newest of each."""
    from eddy.ops.dead_letters import survey

    found = survey(settings_of(ctx).settings, reason, limit)
    if as_json:
        typer.echo(json.dumps(found))
        return
    if not found["total"]:
        typer.echo("no dead letters" + (f" with reason {reason}" if reason else ""))
    for name, count in found["reasons"].items():
        typer.echo(f"{escaped(name)}: {count:,}")
        for dead_letter in found["samples"].get(name, []):
            # json.dumps, because what made a message bad may be what a terminal would obey
            place = f"{dead_letter['topic']}[{dead_letter['partition']}] offset {dead_letter['offset']}"
            typer.echo(f"    {escaped(place)}: {json.dumps(dead_letter['detail'], ensure_ascii=True)}")
            typer.echo(f"        {json.dumps(dead_letter['value'], ensure_ascii=True)}")


@dlq.command()
def replay(
    ctx: typer.Context,
    reason: str = _REASON,
    dry_run: bool = typer.Option(False, "--dry-run", help="only print what would be sent"),
    as_json: bool = _JSON,
) -> None:
    """Put dead letters back on the observations topic, each once; what was replayed before is not sent again.

    Those of a topic of 'input' are read again through its mapping as it is now.
    """
    from eddy.ops.dead_letters import Replay

    replay = Replay(settings_of(ctx).settings, reason, dry_run)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        replay.run(stop.is_set)
    finally:  # also if Kafka went away: report the messages sent until then
        _report(replay.report(), as_json)
    if not replay.complete:
        raise typer.Exit(1)


def _report(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(done))
        return
    counts = ", ".join(f"{escaped(name)} {count:,}" for name, count in done["reasons"].items())
    verb = "would send" if done["dry_run"] else "sent"
    typer.echo(f"{verb} {done['sent']:,} dead letters" + (f": {counts}" if counts else ""))
    if done["gone"]:
        kept = "the observations topic does not hold them any more, and a dead letter keeps only the start"
        typer.echo(f"not sent: {done['gone']:,} large observations: {kept}", err=True)
    if done["failed"]:
        reasons = ", ".join(f"{escaped(name)} {count:,}" for name, count in done["failed"].items())
        typer.echo(f"kept: {sum(done['failed'].values()):,} that are no observations by 'input': {reasons}", err=True)
    if done["returned"]:
        again = "were sent before and are late again; a backfill scores them: docs/operations.md#backfill"
        typer.echo(f"not sent: {done['returned']:,} observations that {again}", err=True)
    if not done["complete"]:
        typer.echo("ended early: the next replay goes on behind the last dead letter sent", err=True)
