"""Watch a topic that Eddy has never seen: guess its mapping, and show what would have alerted: ``eddy watch``."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.commands.input import as_json_object, print_check
from eddy.cli.main import settings_of
from eddy.configuration import Configuration
from eddy.errors import DataError, SettingsError
from eddy.texts import escaped

if TYPE_CHECKING:
    from eddy.input_settings import InputSource
    from eddy.inputs.check import Check
    from eddy.inputs.record import Record
    from eddy.settings import KafkaSettings, Settings
    from eddy.training.evaluation.first_look import FirstLook, History, Incident

_SAMPLE = 1000  # newest records from which the mapping is guessed
_PART = 25_000  # records between two progress lines
_SECONDS = 20.0  # longest time to read: with the replay of what was read, a minute is not passed
_SHOWN = 20  # incidents; --json has all
_SERIES_SHOWN = 5
_COMPILING_SECONDS = 5.0
_COMPILING = "  the detector is compiled, which takes about a minute, the first time on a machine only"
_WARNED_SERIES = 5  # as many series as a tenth of the observations: the template names what changes with each message


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)


def watch(
    ctx: typer.Context,
    topic: str = typer.Argument(..., help="any topic that other programs write"),
    go: bool = typer.Option(False, "--go", help="submit the job to the local stack, with this topic as an input"),
    hours: float = typer.Option(0.0, "--hours", min=0.0, metavar="H", help="only incidents of the last H hours [all]"),
    last: int = typer.Option(200_000, "--last", min=1, metavar="N", help="read the newest N records at most"),
    as_json: bool = typer.Option(False, "--json", help="print JSON"),
) -> None:
    """Guess how a topic's messages become observations, and replay its history: what would have alerted?

    The source of the settings is used if one reads the topic. Nothing is written, unless --go submits the job. Exit
    code 1 if more than 5 % of the newest messages could not be read.
    """
    configuration = settings_of(ctx)
    settings = configuration.settings
    chosen = _Chosen.of(settings, topic)
    typer.echo(f"reading the newest records of {topic} at {chosen.kafka.bootstrap_servers} …", err=True)
    parts = _parts(chosen.kafka, topic, last)
    sample = next(parts, [])
    if not sample:
        raise DataError(f"topic {topic} at {chosen.kafka.bootstrap_servers} is empty: there is nothing to watch yet")
    source, reasons, checked = chosen.checked(settings, sample)
    if not as_json:
        _print_source(source, reasons, configuration)
        print_check(topic, checked, _SERIES_SHOWN)
    if not checked.observations:
        raise DataError(f"topic {topic}: no observation in its newest {len(sample):,} records; nothing to replay")
    history, refused, records = _mapped(settings, source, sample, parts)
    found = _replayed(history, settings, hours)
    if as_json:
        typer.echo(json.dumps(_as_json(topic, source, reasons, checked, found, records, refused)))
    else:
        _print(found, history, records, refused)
    if not checked.passes:
        if go:
            raise SettingsError(
                f"--go: {checked.failed:.0%} of the newest messages cannot be read, expected 5 % or less"
            )
        raise typer.Exit(1)
    if go:
        _submit(configuration, source, chosen.is_known, as_json)
    elif not as_json:
        typer.echo(f"next: eddy watch {topic} --go submits the job with this input")


@dataclass(frozen=True)
class _Chosen:
    """Hold the source of the settings that reads a topic, if there is one, and the topic's cluster."""

    topic: str
    kafka: KafkaSettings
    name: str = ""
    source: InputSource | None = None

    @classmethod
    def of(cls, settings: Settings, topic: str) -> _Chosen:
        from eddy.inputs.newest_records import kafka_of
        from eddy.inputs.readers import own_topics

        if topic in own_topics(settings.topics):
            raise SettingsError(f"topic {topic} is Eddy's own: the job reads it without a source in 'input'")
        for number, source in enumerate(settings.input):
            if source.reads(topic):
                return cls(topic, kafka_of(source, settings.kafka), f"input.{number}", source)
        return cls(topic, settings.kafka)

    @property
    def is_known(self) -> bool:
        """Return whether the settings have the source already."""
        return self.source is not None

    def checked(self, settings: Settings, sample: list[Record]) -> tuple[InputSource, list[str], Check]:
        """Return the source, why it is so, and what comes of the sample.

        Raises:
            DataError: the records are nothing that a source can be guessed of.
        """
        from eddy.inputs.check import check
        from eddy.inputs.guess import guess

        if self.source is not None:
            source, reasons = self.source, [f"This is {self.name} of the settings."]
        else:
            try:
                guessed = guess(sample)
            except DataError as error:
                raise DataError(f"topic {self.topic}: {error}") from None
            source, reasons = guessed.source, guessed.reasons
        times, registry = settings.job.event_times, settings.schema_registry
        return source, reasons, check(sample, source, times, self.name or "input", registry)


def _parts(kafka: KafkaSettings, topic: str, last: int) -> Iterator[list[Record]]:
    """Yield the sample, then further records back in time, within the limits of number and time."""
    from eddy.inputs.newest_records import backwards

    until = time.monotonic() + _SECONDS
    sizes = [min(_SAMPLE, last)]
    while (left := last - sum(sizes)) > 0:
        sizes.append(min(_PART, left))
    return backwards(kafka, topic, sizes, lambda: time.monotonic() > until)


def _mapped(
    settings: Settings, source: InputSource, sample: list[Record], parts: Iterator[list[Record]]
) -> tuple[History, Counter[str], int]:
    """Return the history, how many elements were refused by reason, and the number of records."""
    from itertools import chain

    from eddy.inputs.interval_observations import IntervalObservations
    from eddy.inputs.mapping import Mapping
    from eddy.training.evaluation.first_look import History

    mapping = Mapping(source, settings.job.event_times, "input", settings.schema_registry)
    intervals = IntervalObservations({"input": source})
    history, refused, records = History(), Counter[str](), 0
    for part in chain([sample], parts):
        for record in part:
            result = mapping.read(record)
            refused.update(one.reason for one in result.refusals)
            for one in intervals.take("input", result.observations):
                history.add(one)
            if history.is_full:
                break
        records += len(part)
        typer.echo(f"  {records:,} records read, {len(history):,} values of {len(history.names):,} series", err=True)
        if history.is_full:
            break
    for one in intervals.rest():
        history.add(one)
    return history, refused, records


def _replayed(history: History, settings: Settings, hours: float) -> FirstLook:
    from eddy.training.evaluation.first_look import DETECTOR, first_look

    now = int(time.time() * 1000)
    since = history.newest(now) - round(hours * 3_600_000) if hours else 0
    typer.echo(f"replaying them through {settings.learning.cold_start or DETECTOR!r} …", err=True)
    slow = threading.Timer(_COMPILING_SECONDS, typer.echo, [_COMPILING], {"err": True})
    slow.daemon = True
    slow.start()
    try:
        return first_look(history, settings, since, _progress(slow.cancel))
    finally:
        slow.cancel()


def _progress(begun: Callable[[], None]) -> Callable[[int, int], None]:
    """Return what prints a line every few seconds; it calls ``begun`` each time."""
    printed = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal printed
        begun()
        if time.monotonic() - printed > 3 and done < total:
            printed = time.monotonic()
            typer.echo(f"  {done:,} of {total:,} values replayed", err=True)

    return show


def plain_source(source: InputSource) -> dict[str, Any]:
    """Return a source as a settings file holds it."""
    return source.model_dump(mode="json", exclude_unset=True)


def _print_source(source: InputSource, reasons: list[str], configuration: Configuration) -> None:
    import yaml

    for reason in reasons:
        typer.echo(f"# {escaped(reason)}")
    kept: dict[str, Any] = {"input": [plain_source(source)]}
    if not configuration.settings.learning.cold_start:
        kept["learning"] = {"cold_start": _cold_start(configuration)}
    typer.echo(yaml.safe_dump(kept, sort_keys=False, allow_unicode=False))


def _cold_start(configuration: Configuration) -> str:
    from eddy.training.evaluation.first_look import DETECTOR

    return configuration.settings.learning.cold_start or DETECTOR


def _print(found: FirstLook, history: History, records: int, refused: Counter[str]) -> None:
    alerting = Counter(one.series for one in found.incidents)
    rest = f"; the newest {_SHOWN}:" if len(found.incidents) > _SHOWN else ""
    typer.echo(
        f"\n{records:,} records, {found.points:,} values of {found.series:,} series: {len(found.incidents):,} "
        f"incidents would have alerted, in {len(alerting):,} series{rest}"
    )
    rows = [("series", "from", "value", "expected", "severity", "points"), *map(_row, found.incidents[-_SHOWN:])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if found.incidents else ():
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        typer.echo(f"    {'  '.join(cells)}".rstrip())
    if len(alerting) > 1:
        most = ", ".join(f"{escaped(series)} {count:,}" for series, count in alerting.most_common(5))
        typer.echo(f"most incidents: {most}")
    for note in _notes(found, history, refused):
        typer.echo(f"note: {note}")


def _row(one: Incident) -> tuple[str, ...]:
    from eddy.event_times import iso

    band = "" if one.lower is None and one.upper is None else f"{_number(one.lower)} to {_number(one.upper)}"
    severity = f"{one.severity} {one.level}"
    value = f"increase of {_number(one.value)}" if one.increase else _number(one.value)
    return escaped(one.series), iso(one.start), value, band, severity, f"{one.points:,}"


def _notes(found: FirstLook, history: History, refused: Counter[str]) -> Iterator[str]:
    from eddy.training.evaluation.first_look import FIRST_SCORES

    if refused:
        yield "not read: " + ", ".join(f"{reason} {count:,}" for reason, count in refused.most_common())
    if history.several:
        yield "each value was replayed as a series of its own; a job without a trained model does so with 'split: true'"
    if found.short:
        yield f"{found.short:,} series have fewer than {FIRST_SCORES} points: too few to be scored"
    if found.left_out:
        yield f"{found.left_out:,} more series, those with the fewest points, were not replayed"
    if len(history.names) * _WARNED_SERIES > len(history) > 100:
        yield f"{len(history.names):,} series in {len(history):,} values: 'series' may name what each message has anew"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.5g}"


def _as_json(
    topic: str, source: InputSource, reasons: list[str], checked: Check, found: FirstLook, records: int,
    refused: Counter[str],
) -> dict[str, Any]:  # fmt: skip
    return {
        "topic": topic,
        "input": [plain_source(source)],
        "reasons": reasons,
        "check": as_json_object(checked),
        "records": records,
        "refused": dict(refused),
        "series": found.series,
        "values": found.points,
        "too_short": found.short,
        "left_out": found.left_out,
        "incidents": [{**asdict(one), "level": one.level} for one in found.incidents],
        "by_series": dict(Counter(one.series for one in found.incidents).most_common()),
    }


def with_source(configuration: Configuration, source: InputSource, is_known: bool) -> Configuration:
    """Return settings with which the job watches a source: with it in ``input``, and with a cold start.

    Args:
        configuration: as loaded.
        source: to add.
        is_known: whether ``input`` has it already.
    """
    settings, said = configuration.settings, "eddy watch --go"
    learning = settings.learning.model_copy(update={"cold_start": _cold_start(configuration)})
    every = settings.input if is_known else (*settings.input, source)
    return replace(
        configuration,
        settings=settings.model_copy(update={"input": every, "learning": learning}),
        sources={**configuration.sources, "input": said, "learning.cold_start": said},
    )


def _submit(configuration: Configuration, source: InputSource, is_known: bool, as_json: bool) -> None:
    from eddy.ops.job_targets import submit_locally

    typer.echo("submitting the job …", err=True)
    number = submit_locally(with_source(configuration, source, is_known))
    where = "" if as_json else f"job {number} watches it: 'eddy alerts tail' prints alerts as they come"
    typer.echo(where or f"job {number}", err=as_json)
    if not is_known or not configuration.settings.learning.cold_start:
        typer.echo(
            "to keep it for training, the dashboard and the next job: put the lines above, from 'input:' on, into the "
            "settings file that --config or EDDY_CONFIG names",
            err=as_json,
        )
