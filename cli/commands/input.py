"""Try mappings of other programs' messages, and guess one: ``eddy input …``. Nothing is written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.main import settings_of
from eddy.errors import SettingsError
from eddy.texts import escaped

if TYPE_CHECKING:
    from eddy.input_settings import InputSource
    from eddy.inputs.check import Check, SeriesFound
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
    from eddy.inputs.clusters import joined_with
    from eddy.inputs.files import records_of

    settings = settings_of(ctx).settings
    found: list[tuple[str, Check]] = []
    for name, source in _selected(settings, topic):
        if file is not None:
            records = list(records_of(file, topic))
        else:
            topics = [topic] if topic else _topics_of(settings, name, source)
            records = [record for one in topics for record in _newest(settings, one, last, source)]
        times, registry, joined = settings.job.event_times, settings.schema_registry, joined_with(settings, name)
        found.append((name, checking.check(records, source, times, name, registry, joined)))
    if as_json:
        typer.echo(json.dumps([{"source": name, **as_json_object(one)} for name, one in found]))
    else:
        for name, one in found:
            print_check(name, one)
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

    from eddy.inputs.files import records_of
    from eddy.inputs.guess import guess as guessed

    if not topic and file is None:
        raise SettingsError("found neither --topic nor --file, expected one of them")
    if file is not None:
        records = list(records_of(file, topic))
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


def _topics_of(settings: Settings, name: str, source: InputSource) -> list[str]:
    """Return the topics of a source; of a pattern those that its cluster has now.

    Raises:
        SettingsError: no topic matches; names similar ones.
    """
    import difflib

    from eddy.inputs.newest_records import kafka_of
    from eddy.inputs.readers import own_topics, topic_names

    if source.topics:
        return list(source.topics)
    there = [one for one in topic_names(kafka_of(source, settings.kafka)) if one not in own_topics(settings.topics)]
    if found := [one for one in there if source.reads(one)]:
        return found
    near = difflib.get_close_matches(source.pattern, there, n=3, cutoff=0.0)
    has = f"there are {', '.join(near)}" if near else "the cluster has none"
    raise SettingsError(f"{name}.pattern: found no topic that matches {source.pattern!r}; {has}")


def _newest(settings: Settings, topic: str, last: int, source: InputSource | None) -> list[Record]:
    from eddy.inputs.newest_records import newest_records

    return newest_records(settings, topic, last, source)


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def as_json_object(found: Check) -> dict[str, Any]:
    """Return a check for JSON."""
    series = [
        {
            "series": name,
            "observations": one.observations,
            "interval_ms": one.interval_ms,
            "counters": counters_in(one),
            "sample": {"ts": one.sample.ts, "values": _plain(one.sample.values)},
        }
        for name, one in found.series.items()
    ]
    refused = [vars(one) for one in found.refused]
    return {
        "records": found.records, "observations": found.observations, "skipped": found.skipped,
        "failed": found.failed, "passes": found.passes, "series": series, "refused": refused,
        "suggestions": found.suggestions, "units": found.units,
    }  # fmt: skip


def counters_in(found: SeriesFound) -> list[str]:
    """Return the values of a series that look like counters: they only rose in these records, but for resets."""
    import numpy as np

    from eddy.models.preprocessing.counters import FEW_RISES, is_counter

    in_order = [values for _, values in sorted(found.newest, key=lambda one: one[0])]
    names = dict.fromkeys(name for values in in_order for name in values)
    return [name for name in names if is_counter(np.array([v.get(name, np.nan) for v in in_order]), FEW_RISES)]


def print_counters(found: Check, shown: int = 5) -> None:
    """Say which series look like counters."""
    own = {series: counters for series, one in found.series.items() if (counters := counters_in(one))}
    if not own:
        return
    names = [series if one == ["value"] else f"{series} ({', '.join(one)})" for series, one in own.items()]
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    typer.echo(
        f"  counters: {len(own):,} of {len(found.series):,} series only rose, but for resets: "
        f"{escaped(', '.join(names[:shown]))}{more}; of these the increase from point to point is scored "
        "(detector.value_type)"
    )


def print_check(name: str, found: Check, shown: int = _SHOWN) -> None:
    """Print a check for people."""
    from eddy.event_times import iso

    typer.echo(
        f"{name}: {found.records:,} records: {found.observations:,} observations of {len(found.series):,} series, "
        f"{found.skipped:,} skipped, {found.failed:.1%} failed"
    )
    for series, one in list(found.series.items())[:shown]:
        every = "" if one.interval_ms is None else f", one every {one.interval_ms / 1000:g} s"
        sample = f"{iso(one.sample.ts)} {json.dumps(_plain(one.sample.values))}"
        typer.echo(f"    {escaped(series)}: {one.observations:,}{every}, such as {escaped(sample)}")
    if len(found.series) > shown:
        typer.echo(f"    and {len(found.series) - shown:,} more series; --json has all")
    print_counters(found)
    if found.units:
        units = ", ".join(
            f"{'ISO-8601 text' if unit == 'iso' else f'epoch {unit}'} {n:,}" for unit, n in found.units.items()
        )
        typer.echo(f"  times by 'auto': {units}")
    for refused in found.refused:
        typer.echo(f"  {refused.reason}: {refused.count:,}, such as {refused.place}: {escaped(refused.detail)}")
    for suggestion in found.suggestions:
        typer.echo(f"  suggestion: {escaped(suggestion)}")
