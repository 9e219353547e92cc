"""Evaluate streams with injected, generated or one's own labels: ``eddy evaluate power``, ``market`` and ``csv``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.data_set_options import DataColumns, read_files
from eddy.cli.evaluate.tables import print_streams
from eddy.cli.main import settings_of
from eddy.cli.option_groups import grouped
from eddy.cli.train.detector_options import CatalogCommand
from eddy.cli.train.threshold_options import NAMED, PARAMETERS, SENSITIVITY, with_thresholds

if TYPE_CHECKING:
    from eddy.training.data.recording import Recording
    from eddy.training.evaluation.runs.market import MarketResult
    from eddy.training.evaluation.runs.streams import StreamRun

START_SHARE = 0.15  # share of a recording on which a cold start is initialised
CLEAN_DAYS = 21  # days of a market stream to train on; 21 days with incidents follow
FALSE_RATE = 5e-4  # share of held-out clean windows above the market model's limit
FRESH_SEEDS = [501, 502, 503]  # of injected power anomalies: no parameter was chosen on them
MARKET_SEEDS = [521, 522, 523]  # run once, after every choice was made (501 to 503 and 401 were seen before)


def register(group: typer.Typer) -> None:
    """Add the commands to ``eddy evaluate``."""
    group.command(cls=CatalogCommand)(power)
    group.command()(market)
    group.command(cls=CatalogCommand)(grouped(csv))


def power(
    data: Path = typer.Option(..., help="household_power_consumption.txt as UCI publishes it, or its folder"),
    out: Path | None = typer.Option(None, help="folder for results.json and report.html"),
    detector: list[str] = typer.Option(["consistency"], "--detector", help="repeatable"),
    seed: list[int] = typer.Option(FRESH_SEEDS, "--seed", help="of the injected anomalies; repeatable"),
    anomalies: int = typer.Option(30, min=1, help="injected per seed"),
    threshold: str = NAMED,
    threshold_param: list[str] = PARAMETERS,
    false_alarms_per_week: float | None = SENSITIVITY,
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Inject frozen, sag, spike, swapped and shift anomalies into the real file; find them after a cold start."""
    from eddy.training.evaluation.runs.lineup import entrants
    from eddy.training.evaluation.runs.streams import run_over

    clean = power_recording(data)
    recordings = injected(clean, seed, anomalies)
    chosen = with_thresholds(entrants(detector), threshold, threshold_param, false_alarms_per_week)
    runs = [run_over(entrant, recordings) for entrant in chosen]
    untouched = {entrant.name: run_over(entrant, [clean]) for entrant in chosen}
    extra = {name: run.figures.events.false_per_day for name, run in untouched.items()}
    _finish(runs, recordings, out, as_json, "Household power with injected anomalies", clean_per_day=extra)


def power_recording(data: Path) -> Recording:
    """Read the file as one series of seven features."""
    import numpy as np

    from eddy.csv_files.power import POWER_FEATURES, POWER_SERIES
    from eddy.errors import DataError
    from eddy.observation import Observations
    from eddy.producers.public_data_sets import power_source
    from eddy.training.data.recording import Recording

    path = data / "household_power_consumption.txt" if data.is_dir() else data
    if not path.exists():
        raise DataError(f"{path}: no such file; expected UCI's household_power_consumption.txt")
    blocks = [b for b in power_source(path, strict=True).blocks() if isinstance(b, Observations)]
    ts, values = np.concatenate([b.ts for b in blocks]), np.concatenate([b.values for b in blocks])
    return Recording(POWER_SERIES, ts, values, POWER_FEATURES, int(START_SHARE * len(ts)))


def injected(clean: Recording, seeds: Sequence[int], anomalies: int) -> list[Recording]:
    """Return the recording once per seed, with labelled anomalies injected."""
    from dataclasses import replace

    from eddy.training.data.injection import Sagging, inject

    follows = {"Global_intensity": 1.0, "Global_active_power": 2.0, "Global_reactive_power": 2.0}
    sagging = Sagging("Voltage", follows)  # resistive loads: current with the voltage, power with its square
    return [
        replace(inject(clean, seed, anomalies, sagging=sagging), name=f"{clean.name}, seed {seed}") for seed in seeds
    ]


def market(
    seed: list[int] = typer.Option(MARKET_SEEDS, "--seed", help="of the streams; repeatable"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Generate prices with known incidents, train the shipped model on their clean part, replay the rest."""
    from rich.console import Console
    from rich.table import Table

    results = market_results(seed)
    if as_json:
        print(json.dumps([r.to_json() for r in results], indent=2))
        return
    table = Table("seed", "found", "false alerts", "points", "false per 1,000", "median delay, points", title="Market")
    for r in results:
        table.add_row(
            str(r.seed), f"{r.found}/{r.labelled}", str(r.false), f"{r.points:,}", f"{r.false_per_thousand:.3f}",
            f"{r.median_delay:.0f}",
        )  # fmt: skip
    found, labelled = sum(r.found for r in results), sum(r.labelled for r in results)
    false, points = sum(r.false for r in results), sum(r.points for r in results)
    Console().print(table)
    print(f"{found} of {labelled} found ({100 * found / labelled:.1f} %), {1000 * false / points:.3f} false per 1,000")


def market_results(seeds: Sequence[int]) -> list[MarketResult]:
    """Return one result per stream."""
    import numpy as np

    from eddy.producers.synthetic import market_stream
    from eddy.training.evaluation.runs.market import run_market

    results = []
    for seed in seeds:
        stream = market_stream(seed, days=CLEAN_DAYS + 21, clean_days=CLEAN_DAYS)
        live = stream.live
        codes = live.series.astype(np.int64)
        results.append(run_market(seed, stream, stream.names, codes, live.ts, live.values, stream.labels, FALSE_RATE))
    return results


def csv(
    ctx: typer.Context,
    *,
    data: Path = typer.Option(..., help="CSV file or folder, as 'eddy train' reads it"),
    labels: Path | None = typer.Option(
        None, help='NAB\'s combined_windows.json, or {"labels": [{series, start, end}]}'
    ),
    out: Path | None = typer.Option(None, help="folder for results.json and report.html"),
    detector: list[str] = typer.Option(["auto"], "--detector", help="repeatable"),
    start_share: float = typer.Option(START_SHARE, min=0.01, max=0.9, help="first share: fitted to, not scored"),
    columns: DataColumns,
    threshold: str = NAMED,
    threshold_param: list[str] = PARAMETERS,
    false_alarms_per_week: float | None = SENSITIVITY,
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Run detectors over one's own CSV files; labels, where there are some, are used only to score."""
    from dataclasses import replace

    from eddy.training.evaluation.runs.csv_files import recordings_of
    from eddy.training.evaluation.runs.lineup import entrants
    from eddy.training.evaluation.runs.streams import run_over

    found, notes = read_files(settings_of(ctx).settings, data, columns)
    recordings = recordings_of(found, start_share, labels)
    named = [replace(entrant, gaps=True) for entrant in entrants(detector)]
    chosen = with_thresholds(named, threshold, threshold_param, false_alarms_per_week)
    runs = [run_over(entrant, recordings) for entrant in chosen]
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    _finish(runs, recordings, out, as_json, data.name)
    _refuse_if_nothing_was_scored(runs, recordings)


def _refuse_if_nothing_was_scored(runs: Sequence[StreamRun], recordings: Sequence[Recording]) -> None:
    """Raise if a detector scored no point of any series: its figures would look like silence."""
    import numpy as np

    from eddy.errors import DataError

    for run in runs:
        if not any(np.isfinite(one.raw[r.start :]).any() for one, r in zip(run.runs, recordings, strict=True)):
            points = ", ".join(f"{r.name} has {len(r.ts)}" for r in recordings[:3])
            reason = f": {run.notes[0]}" if run.notes else ""
            raise DataError(
                f"{run.detector}: no point was scored{reason}; {points} points; give longer data, or a smaller "
                "--start-share"
            )


def _finish(
    runs: Sequence[StreamRun],
    recordings: Sequence[Recording],
    out: Path | None,
    as_json: bool,
    title: str,
    clean_per_day: dict[str, float] | None = None,
) -> None:
    from eddy.training.evaluation.report.html import plain_json, write_report

    results: list[dict[str, Any]] = [
        r.to_json() | ({"untouched_alerts_per_day": clean_per_day[r.detector]} if clean_per_day else {}) for r in runs
    ]
    if out is not None:
        write_report(out, title, recordings, {r.detector: (r.runs, r.figures, r.cost) for r in runs}, results)
    if as_json:
        print(plain_json(results))
        return
    print_streams(title, results)
