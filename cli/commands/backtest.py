"""Compare a model's alerts over history with the alerts that were raised: ``eddy backtest``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import typer

from eddy.cli.data_set_options import DataColumns, DataOrigin, read_data_set
from eddy.cli.main import settings_of
from eddy.cli.option_groups import grouped
from eddy.cli.printing import cell
from eddy.models.artifacts.manifest import Manifest
from eddy.settings import Settings

_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(grouped(backtest))


def backtest(
    ctx: typer.Context,
    *,
    model: str = typer.Option(..., "--model", help="NAME or NAME@VERSION in the registry, or a folder of 'eddy train'"),
    start: str = typer.Option("", "--from", help="score from this event time on, ISO-8601 [the first point]"),
    end: str = typer.Option("", "--to", help="and before this one [the end]"),
    data: Path | None = typer.Option(None, "--data", help="file or folder in place of the observations topic"),
    series: str = typer.Option("*", "--series", help="pattern of the series"),
    columns: DataColumns,
    compare: bool = typer.Option(True, "--compare/--alone", help="read what was alerted from the alerts topic"),
    as_json: bool = typer.Option(False, "--json", help="print JSON"),
) -> None:
    """Show what a model would have alerted, beside what was: 'both', 'would' (only the model), 'did' (only then).

    Data before --from fill the model's windows. Nothing is written anywhere.
    """
    from eddy.errors import DataError
    from eddy.models.engine.options import alerting_options
    from eddy.training.evaluation import backtest as test
    from eddy.training.trainer.training_data import incidents

    settings = settings_of(ctx).settings
    asked = _range(start, end)
    manifest, content = _candidate(settings, model)
    found, notes = read_data_set(
        settings,
        data,
        option="--data",
        series=series,
        origin=DataOrigin(from_kafka=data is None, end=end if data is None else ""),
        columns=columns,
    )
    first = min(int(s.ts.min()) for s in found.series if len(s.ts))
    last = max(int(s.ts.max()) for s in found.series if len(s.ts)) + 1
    begin, until = first if asked[0] is None else asked[0], last if asked[1] is None else asked[1]
    if not any(((s.ts >= begin) & (s.ts < until)).any() for s in found.series):
        raise DataError(
            f"no point from {_moment(begin)} to {_moment(until)}: the data go from {_moment(first)} to {_moment(last)}"
        )
    would = test.would_have(manifest, content, found, alerting_options(settings), begin, until)
    names = {s.name for s in found.series}
    did = [f for f in test.incidents_of(incidents(settings), begin, until) if f.series in names] if compare else []
    lines = test.beside(would, did, manifest.window * manifest.interval_ms)
    counts = test.summary(lines)
    if as_json:
        shown = [{"side": line.side, "would": _plain(line.would), "did": _plain(line.did)} for line in lines]
        typer.echo(json.dumps({"model": manifest.name, "version": manifest.version, **counts, "incidents": shown}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", "series", "from (UTC)", "to", "severity", "points", "scored by", box=None)
    for line in lines[:_SHOWN]:
        one = line.would or line.did
        assert one is not None  # noqa: S101  a line has one of them
        scored = [f"{f.model} {f.version}" for f in (line.did,) if f]
        row = (line.side, one.series, _moment(one.start), _moment(one.end), one.severity, one.points, *scored)
        table.add_row(*map(cell, row))
    console = Console(soft_wrap=True, highlight=False)
    if lines:
        console.print(table)
    if len(lines) > _SHOWN:
        console.print(f"and {len(lines) - _SHOWN} more; --json has all")
    beside = f"; both {counts['both']}, only the model {counts['would']}, only then {counts['did']}" if compare else ""
    console.print(
        f"{manifest.name} version {manifest.version} would have opened {len(would)} incidents in {len(names)} series"
        f"{beside}"
    )
    for note in notes:
        console.print(cell(f"note: {note}"))


def _range(start: str, end: str) -> tuple[int | None, int | None]:
    """Parse both ends into epoch ms; None = open."""
    from eddy.errors import DataError, SettingsError
    from eddy.training.data.nab import parse_time

    times: list[int | None] = []
    for option, text in (("--from", start), ("--to", end)):
        try:
            times.append(parse_time(text) if text else None)
        except DataError as error:
            raise SettingsError(f"{option}: {error}") from None
    begin, until = times
    if begin is not None and until is not None and begin >= until:
        raise SettingsError(f"--from {start} is not before --to {end}")
    return begin, until


def _candidate(settings: Settings, model: str) -> tuple[Manifest, bytes]:
    from eddy.errors import ModelError
    from eddy.models.artifacts.fetch import fetch_artifact
    from eddy.training.fitting import artifacts
    from eddy.training.registry.registry import Registry

    if Path(model).is_dir():
        return artifacts.read(Path(model))
    name, _, version = model.partition("@")
    listing = Registry(settings).read()
    if version:
        known = {str(number): one for number, one in listing.versions.get(name, {}).items()}
        if version not in known:
            raise ModelError(f"--model {model}: no such version; there: {', '.join(known) or 'none'}")
        manifest = known[version]
    else:
        manifest = listing.find(name)
    return manifest, fetch_artifact(manifest, settings.registry)


def _plain(found: object) -> dict[str, object] | None:
    return None if found is None else asdict(found)  # type: ignore[call-overload]


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
