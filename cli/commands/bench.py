"""Measure Eddy: ``eddy bench …``. It runs from a checkout, whose ``benchmarks`` folder holds the measurements."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import typer

from eddy.errors import SettingsError
from eddy.stack.paths import ROOT

bench = typer.Typer(no_args_is_help=True, help=__doc__)

JSON_FILE = typer.Option(None, "--json", metavar="FILE", help="write the figures here as well")
KINDS = typer.Option("ZFL", help="Z rolling z-score, F isolation forest, L LSTM autoencoder")
SERIES = typer.Option([200, 2_000, 20_000], help="number of series; repeatable")
OVERRIDES = typer.Option([], "--set", metavar="KEY=VALUE", help="settings of the job; repeatable")
EVENTS = typer.Option(4_000_000, min=1_000, help="events of workload Z")
ROUNDS = typer.Option(1, min=1, help="one after the other; the run in the middle counts, the spread is shown")
OTHERS = typer.Option(1_000_000, min=1_000, help="events of the dearer workloads")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(bench, name="bench")


@bench.callback()
def checkout() -> None:
    """Measure Eddy, and other systems beside it."""
    if not (ROOT / "benchmarks").is_dir():
        raise SettingsError(
            f"'eddy bench' runs from a checkout, by './run eddy bench': no 'benchmarks' folder in {ROOT}"
        )
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # it is not part of what is installed


@bench.command()
def pipeline(
    kinds: str = typer.Option("ZFL", help="as for peers; N the default detector, W a wide LSTM autoencoder"),
    series: list[int] = SERIES,
    events: int = EVENTS,
    others: int = OTHERS,
    taskmanagers: list[int] = typer.Option([1], help="TaskManagers and parallelism; repeatable, as 1 and 2"),
    forms: str = typer.Option(
        "own", help="of the messages, comma separated: own, flat, nested, avro, requests, requests5"
    ),
    rounds: int = ROUNDS,
    overrides: list[str] = OVERRIDES,
    json_file: Path | None = JSON_FILE,
) -> None:
    """Measure rate, CPU per event and memory of the whole job as shipped."""
    _finish(_pipeline(kinds, series, events, others, taskmanagers, overrides, rounds, forms), json_file)


@bench.command()
def scoring(kinds: str = KINDS, json_file: Path | None = JSON_FILE) -> None:
    """Measure windows per second beside plain torch, scikit-learn and ONNX Runtime; compare their scores."""
    from benchmarks.job import scoring

    _finish(scoring.run(_known(kinds, "ZFL")), json_file)


@bench.command()
def latency(
    events: int = typer.Option(1_000_000, min=1_000, help="events that measure the peak rate"),
    series: int = typer.Option(2_000, min=1),
    seconds: float = typer.Option(30, min=1, help="how long events come at that rate"),
    rate: float = typer.Option(0.0, min=0, help="events/s; 0 = half the peak"),
    overrides: list[str] = OVERRIDES,
    json_file: Path | None = JSON_FILE,
) -> None:
    """Measure the time from event to alert, at half the run's peak or a given rate, and from start to first alert."""
    from benchmarks.job import latency
    from benchmarks.measuring.workload import Workload

    _finish(latency.run(Workload("Z", events, series), seconds, overrides, rate), json_file)


@bench.command()
def state(
    series: list[int] = SERIES,
    window: int = typer.Option(30, "--window", min=2, help="points"),
    points: int = typer.Option(40, "--points", min=3, help="of each series; more than the window"),
    overrides: list[str] = OVERRIDES,
    json_file: Path | None = JSON_FILE,
) -> None:
    """Measure bytes of state per series beside the raw window."""
    from benchmarks.job import state
    from benchmarks.measuring.workload import Workload

    _finish(state.run(Workload("Z", window=window), series, overrides, points), json_file)


@bench.command()
def producers(overrides: list[str] = OVERRIDES, json_file: Path | None = JSON_FILE) -> None:
    """Measure events per second of ``eddy produce … --speed max``."""
    from benchmarks.job import producer_clients

    _finish(producer_clients.run(overrides), json_file)


@bench.command()
def peers(
    kinds: str = KINDS,
    events: int = EVENTS,
    others: int = OTHERS,
    series: int = typer.Option(2_000, min=1),
    systems: str = typer.Option("", help="comma separated; default: all"),
    cores: int = typer.Option(2, min=1, help="that every system and the broker share"),
    form: str = typer.Option("own", help="of the messages: own, flat or nested"),
    rounds: int = ROUNDS,
    overrides: list[str] = OVERRIDES,
    json_file: Path | None = JSON_FILE,
) -> None:
    """Run Eddy, Spark, Bytewax, Quix Streams and plain Python on the same bytes; compare their alerts."""
    _finish(_peers(kinds, events, others, series, systems, cores, overrides, rounds, form), json_file)


@bench.command()
def aggregates(
    form: str = typer.Option("", help="comma separated: requests, requests5; default: both"),
    events: int = typer.Option(3_000_000, min=1_000, help="raw events"),
    series: int = typer.Option(2_000, min=1),
    systems: str = typer.Option("", help="comma separated; default: all"),
    cores: int = typer.Option(2, min=1, help="that every system and the broker share"),
    rounds: int = ROUNDS,
    overrides: list[str] = OVERRIDES,
    json_file: Path | None = JSON_FILE,
) -> None:
    """Fold raw events into one-minute intervals on Eddy, Flink SQL, Bytewax and Quix Streams; compare the results."""
    from benchmarks.peers import aggregates

    works = aggregates.workloads(_chosen(form, aggregates.FORMS), events, series)
    _finish(aggregates.run(works, _chosen(systems, aggregates.SYSTEMS), overrides, cores, rounds), json_file)


@bench.command("all")
def all_of_them(
    folder: Path = typer.Option(..., "--json-dir", help="one JSON file per measurement"),
    events: int = EVENTS,
    others: int = OTHERS,
    peer_events: int = typer.Option(2_000_000, help="events of workload Z for the peers"),
    peer_others: int = typer.Option(500_000, help="events of the dearer workloads for the peers"),
    seconds: float = typer.Option(30, min=1, help="of the latency measurement"),
    only: str = typer.Option("", help="comma separated names of measurements; default: all"),
) -> None:
    """Measure everything that docs/performance.md shows; 'eddy bench report' puts it there."""
    from benchmarks.job import latency, producer_clients, scoring, state
    from benchmarks.measuring.workload import Workload

    sizes = [200, 2_000, 20_000]
    measurements: dict[str, Callable[[], dict[str, Any]]] = {
        "scoring": scoring.run,
        "producers": lambda: producer_clients.run([]),
        "state": lambda: state.run(Workload("Z"), sizes, []),
        "latency": lambda: latency.run(Workload("Z", min(events, 1_000_000), sizes[1]), seconds, []),
        "pipeline": lambda: _pipeline("ZFL", sizes, events, others, [1], []),
        "taskmanagers": lambda: _pipeline("ZL", sizes[1:2], events, others, [1, 2, 4], []),
        "peers": lambda: _peers("ZFL", peer_events, peer_others, sizes[1], "", 2, []),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in _chosen(only, measurements):
        typer.echo(f"== {name}", err=True)
        _finish(measurements[name](), folder / f"{name}.json")


@bench.command()
def report(folder: Path = typer.Argument(..., help="what 'eddy bench all --json-dir' wrote")) -> None:
    """Put the figures into docs/performance.md, between its markers, and draw its plot."""
    from benchmarks.report import document as report

    written = report.write(folder)
    typer.echo("written: " + ", ".join(map(str, written)))


def _pipeline(
    kinds: str,
    series: Sequence[int],
    events: int,
    others: int,
    taskmanagers: Sequence[int],
    overrides: Sequence[str],
    rounds: int = 1,
    forms: str = "own",
) -> dict[str, Any]:
    from benchmarks.job import pipeline
    from benchmarks.measuring.machine import describe
    from benchmarks.measuring.message_forms import SOURCES
    from benchmarks.measuring.running import typical
    from benchmarks.measuring.workload import Workload

    runs: dict[tuple[str, int, int, str], list[dict[str, Any]]] = {}
    every = product(range(rounds), _known(kinds, "ZNFLW"), series, taskmanagers, _chosen(forms, SOURCES))
    for _, kind, size, count, form in every:
        work = Workload(kind, events if kind == "Z" else others, size, form=form)
        if kind == "W":
            work = replace(work, window=336, stride=48)
        wide = [f"stack.taskmanagers={count}", f"job.parallelism={count}", *overrides]
        typer.echo(f"{kind}, {size} series, {count} TaskManagers, messages: {form} …", err=True)
        runs.setdefault((kind, size, count, form), []).append(pipeline.run(work, wide) | {"taskmanagers": count})
    results = [typical(found, lambda one: sum(one["cpu_us_per_event"].values())) for found in runs.values()]
    return {"benchmark": "pipeline", "machine": describe(), "results": results}


def _peers(
    kinds: str,
    events: int,
    others: int,
    series: int,
    systems: str,
    cores: int,
    overrides: Sequence[str],
    rounds: int = 1,
    form: str = "own",
) -> dict[str, Any]:
    from benchmarks.measuring.message_forms import SPARK
    from benchmarks.peers import race
    from benchmarks.peers.systems import SYSTEMS

    names = _chosen(systems, [race.EDDY, *SYSTEMS])
    works = race.workloads(_known(kinds, "ZFL"), events, others, series, form=_chosen(form, SPARK)[0])
    found: dict[str, Any] = race.run(works, names, overrides, cores, rounds)
    return found


def _known(kinds: str, known: str) -> str:
    unknown = sorted(set(kinds) - set(known))
    if unknown or not kinds:
        raise SettingsError(f"workload {''.join(unknown)!r} is unknown; known: {', '.join(known)}")
    return kinds


def _chosen(asked: str, known: Any) -> list[str]:
    names = [name.strip() for name in asked.split(",") if name.strip()] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"{unknown[0]!r} is unknown; known: {', '.join(known)}")
    return names


def _finish(found: dict[str, Any], json_file: Path | None) -> None:
    """Print a table and write the file."""
    from benchmarks.report.tables import show

    show(found)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(found, indent=2) + "\n")
        typer.echo(f"written: {json_file}", err=True)
