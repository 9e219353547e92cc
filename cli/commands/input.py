"""Try mappings of other programs' messages, and guess one: ``eddy input …``. Nothing is written."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.main import settings_of
from eddy.errors import DataError, SettingsError
from eddy.texts import escaped

if TYPE_CHECKING:
    from eddy.input_settings import InputSource
    from eddy.inputs.check import Check
    from eddy.inputs.record import Record
    from eddy.settings import Settings

_SHOWN = 20

group = typer.Typer(no_args_is_help=True, help="Input sources: try a mapping on records that are there, guess one.")

_LAST = typer.Option(1000, "--last", min=1, metavar="N", help="read the newest N records of each topic")
_FILE = typer.Option(None, "--file", metavar="FILE", help="read a file with a JSON message per line, in place of Kafka")
_JSON = typer.Option(False, "--json", help="print JSON")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(group, name="input")


@group.command()
def check(
    ctx: typer.Context,
    topic: str = typer.Option("", "--topic", metavar="T", help="only this topic, of the sources that read it"),
    last: int = _LAST,
    file: Path | None = _FILE,
    as_json: bool = _JSON,
) -> None:
    """Read records as the settings' input sources describe them, and print what comes of them.

    Exit code 1 if nothing was read of a source, or more than 5 % failed.
    """
    from eddy.inputs import check as checking

    settings = settings_of(ctx).settings
    found: list[tuple[str, Check]] = []
    for name, source in _selected(settings, topic):
        if file is not None:
            records = _lines(file, topic or _topic_of(file))
        else:
            topics = [topic] if topic else list(source.topics)
            if not topics:
                raise SettingsError(f"{name} reads a pattern of topics; say which to read: --topic T")
            records = [record for one in topics for record in _newest(settings, one, last, source)]
        found.append((name, checking.check(records, source, settings.job.event_times, name, settings.schema_registry)))
    if as_json:
        typer.echo(json.dumps([{"source": name, **_as_json(one)} for name, one in found]))
    else:
        for name, one in found:
            _print(name, one)
    if not all(one.passes for _, one in found):
        raise typer.Exit(1)


@group.command()
def guess(
    ctx: typer.Context,
    topic: str = typer.Option("", "--topic", metavar="T", help="the topic"),
    last: int = _LAST,
    file: Path | None = _FILE,
) -> None:
    """Print a first input source for a topic as YAML, with a comment on each part of it that says why."""
    import yaml

    from eddy.inputs.guess import guess as guessed

    if not topic and file is None:
        raise SettingsError("found neither --topic nor --file, expected one of them")
    if file is not None:
        records = _lines(file, topic or _topic_of(file))
    else:
        records = _newest(settings_of(ctx).settings, topic, last, None)
    found = guessed(records)
    for reason in found.reasons:
        typer.echo(f"# {escaped(reason)}")
    source = found.source.model_dump(mode="json", exclude_unset=True)
    typer.echo(yaml.safe_dump({"input": [source]}, sort_keys=False, allow_unicode=False), nl=False)


def _selected(settings: Settings, topic: str) -> list[tuple[str, InputSource]]:
    """Return the sources to check, with the names that errors give them."""
    if not settings.input:
        raise SettingsError("input: found no source in the settings; 'eddy input guess --topic T' prints a first one")
    named = [(f"input.{at}", source) for at, source in enumerate(settings.input)]
    found = [(name, source) for name, source in named if not topic or source.reads(topic)]
    if not found:
        raise SettingsError(f"--topic {topic}: found no source in 'input' that reads it")
    return found


def _newest(settings: Settings, topic: str, last: int, source: InputSource | None) -> list[Record]:
    from eddy.inputs.newest_records import newest_records

    return newest_records(settings, topic, last, source)


def _topic_of(file: Path) -> str:
    """Return a name for what is in a file that any topic could have."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", file.stem)[:249] or "file"


def _lines(file: Path, topic: str) -> list[Record]:
    from eddy.inputs.record import from_lines

    try:
        return list(from_lines(file.read_bytes(), topic))
    except OSError as error:
        raise DataError(f"--file {file}: cannot be read: {error.strerror}") from None


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _as_json(found: Check) -> dict[str, Any]:
    series = [
        {
            "series": name,
            "observations": one.observations,
            "interval_ms": one.interval_ms,
            "sample": {"ts": one.sample.ts, "values": _plain(one.sample.values)},
        }
        for name, one in found.series.items()
    ]
    refused = [vars(one) for one in found.refused]
    return {
        "records": found.records, "observations": found.observations, "skipped": found.skipped,
        "failed": found.failed, "passes": found.passes, "series": series, "refused": refused,
        "suggestions": found.suggestions,
    }  # fmt: skip


def _print(name: str, found: Check) -> None:
    from eddy.event_times import iso

    typer.echo(
        f"{name}: {found.records:,} records: {found.observations:,} observations of {len(found.series):,} series, "
        f"{found.skipped:,} skipped, {found.failed:.1%} failed"
    )
    for series, one in list(found.series.items())[:_SHOWN]:
        every = "" if one.interval_ms is None else f", one every {one.interval_ms / 1000:g} s"
        sample = f"{iso(one.sample.ts)} {json.dumps(_plain(one.sample.values))}"
        typer.echo(f"    {escaped(series)}: {one.observations:,}{every}, such as {escaped(sample)}")
    if len(found.series) > _SHOWN:
        typer.echo(f"    and {len(found.series) - _SHOWN:,} more series; --json has all")
    for refused in found.refused:
        typer.echo(f"  {refused.reason}: {refused.count:,}, such as {refused.place}: {escaped(refused.detail)}")
    for suggestion in found.suggestions:
        typer.echo(f"  suggestion: {escaped(suggestion)}")
