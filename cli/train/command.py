"""Fit a detector on files and write it as a model that can be published: ``eddy train``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.data_set_options import DataColumns, DataOrigin, read_data_set
from eddy.cli.main import settings_of
from eddy.cli.option_groups import grouped
from eddy.cli.train.detector_options import DetectorCommand
from eddy.cli.train.members import EnsembleOptions, chosen_detector
from eddy.cli.train.options import DetectorOptions, TrainingPart, WindowOptions
from eddy.cli.train.threshold_options import ThresholdOptions
from eddy.configuration import Configuration

if TYPE_CHECKING:
    from eddy.models.core.detector import WindowSpec
    from eddy.training.data.datasets import Dataset
    from eddy.training.fitting.fit import ThresholdRule, Trained


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command(cls=DetectorCommand)(grouped(train))


def train(
    ctx: typer.Context,
    *,
    detector: str = typer.Option(..., "--detector", help="{detectors}; with --help: its parameters"),
    data: Path | None = typer.Option(None, "--data", help="CSV, NAB, UCR or UCI power file, or a folder"),
    origin: DataOrigin,
    out: Path = typer.Option(..., "--out", help="folder for the model"),
    name: str = typer.Option("", "--name", help="name of the model [the folder's]"),
    series: str = typer.Option("*", "--series", help="pattern of the series to train on and to score"),
    windows: WindowOptions,
    part: TrainingPart,
    parameters: DetectorOptions,
    threshold: ThresholdOptions,
    ensemble: EnsembleOptions,
    seed: int = typer.Option(0, "--seed", help="the same seed gives the same model"),
    columns: DataColumns,
    as_json: bool = typer.Option(False, "--json", help="print the result as JSON"),
) -> None:
    """Train a detector on mostly normal data; the last quarter, held out, gives the threshold.

    Labels are used only where --labels gives them: labelled points are left out of training, and --threshold f-beta
    chooses the limit on them (on what follows --train-until or --train-share, if anything there is labelled).
    """
    configuration = settings_of(ctx)
    settings = configuration.settings
    with _progress(as_json) as progress:
        progress("reading", 0.0)
        from eddy.training.fitting import artifacts
        from eddy.training.fitting.fit import fit_model, usual_window

        found, notes = read_data_set(settings, data, option="--data", series=series, origin=origin, columns=columns)
        interval_ms = windows.interval_ms(found)

        def window_of(kind: str) -> int:
            return windows.window or usual_window(kind, interval_ms, settings.detector.window_size)

        points = windows.window or _configured_window(configuration) or window_of(detector)
        spec = windows.spec(points, found.features, interval_ms)
        kind, params = chosen_detector(detector, parameters.parameters(), ensemble, window_of)
        rule = threshold.rule(settings.detector.contamination)
        promised = threshold.promised(settings.detector.false_alarms_per_week)
        value_type = parameters.chosen_type(settings.detector.value_type)
        used, scored, rule = _parts(found, spec, part, threshold.labels, rule)
        trained = fit_model(
            name or out.resolve().name, kind, used, spec, patterns=(series,),
            params=params, rule=rule, seed=seed, progress=progress, scored=scored,
            false_alarms_per_week=promised, value_type=value_type,
        )  # fmt: skip
        files = artifacts.write(out, trained)
    notes = [*notes, *trained.notes]
    if as_json:
        typer.echo(json.dumps(_result(trained, detector, out, files, notes), indent=1))
        return
    _print_result(trained, detector, threshold.threshold)
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo(f"written: {', '.join(str(f) for f in files)}")
    typer.echo(f"next: eddy models publish {out}")


def _configured_window(configuration: Configuration) -> int:
    """Return the window size if it was set; the default is meant for the forest only."""
    asked = "detector.window_size" in configuration.sources
    return configuration.settings.detector.window_size if asked else 0


def _parts(
    found: Dataset, spec: WindowSpec, part: TrainingPart, labels: Path | None, rule: ThresholdRule | None
) -> tuple[list[Any], list[Any], ThresholdRule | None]:
    """Return the series to train on, the labelled ones that choose the limit, and the threshold with its labels."""
    from eddy.training.data import datasets
    from eddy.training.data.labels import load_labels, without_labelled
    from eddy.training.data.nab import parse_time

    until = parse_time(part.train_until) if part.train_until else None
    used = found.regular(spec, until, part.train_share)
    if labels is None:
        return used, [], rule
    known = load_labels(labels)
    scored = datasets.labelled_part(found, known, spec, until, part.train_share)
    if rule is not None and rule.name == "f-beta":
        rule = replace(rule, labels=known)
    return without_labelled(used, known), scored, rule


def _result(trained: Trained, detector: str, out: Path, files: list[Path], notes: list[str]) -> dict[str, Any]:
    manifest = trained.manifest
    limit = _threshold(trained).start
    return {
        "name": manifest.name, "detector": detector, "out": str(out), "files": [f.name for f in files],
        "window": manifest.window, "stride": manifest.stride, "interval_ms": manifest.interval_ms,
        "features": list(manifest.features), "threshold": limit if math.isfinite(limit) else None,
        "value_type": manifest.value_type,
        "threshold_policy": manifest.threshold["policy"], "sha256": manifest.sha256,
        "bytes": len(trained.content), "metrics": manifest.metrics, "notes": notes,
    }  # fmt: skip


def _print_result(trained: Trained, detector: str, threshold: str) -> None:
    manifest, chosen = trained.manifest, _threshold(trained)
    m = manifest.metrics
    typer.echo(f"{manifest.name}: {detector}, {m['series']} series, {m['points']:,} points, {m['seconds']} s")
    typer.echo(f"window {manifest.window} points, stride {manifest.stride}, interval {manifest.interval_ms / 1000:g} s")
    typer.echo(
        f"alerts above {chosen.start:.4g} ({threshold or 'default'}, {m['validation_scores']:,} scores)"
        + (f", then by each series' own scores: {chosen.state_size * 8} bytes of state" if chosen.state_size else "")
    )
    if "alarms_per_week" in manifest.threshold:
        rate = manifest.threshold["alarms_per_week"]
        most = "at most about" if "detector_limit" in manifest.threshold else "about"
        typer.echo(f"sensitivity: {most} {rate:g} false alarm{'s' * (rate != 1)} per series and week")


def _threshold(trained: Trained) -> Any:
    from eddy.models.catalog import threshold_from_params

    return threshold_from_params(trained.manifest.threshold)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
