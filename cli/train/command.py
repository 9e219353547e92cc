"""``eddy train``: fit a detector on files and write it as a model that can be published."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.data_set_options import read_data_set
from eddy.cli.main import settings_of
from eddy.cli.train.members import chosen_detector
from eddy.cli.train.threshold_options import items, threshold_rule
from eddy.configuration import Configuration
from eddy.errors import SettingsError

if TYPE_CHECKING:
    pass

_OWN_FLAGS = {
    "lstm-autoencoder": ("epochs", "hidden"),
    "lstm-encdec": ("epochs", "hidden"),
    "lstm-repeat-vector": ("epochs",),
}


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(train)


def train(
    ctx: typer.Context,
    detector: str = typer.Option(..., "--detector", help="lstm-autoencoder, isolation-forest, or another known one"),
    data: Path | None = typer.Option(None, "--data", help="CSV, NAB, UCR or UCI power file, or a folder"),
    form: str = typer.Option("auto", "--format", help="auto, csv, nab, ucr or power"),
    from_kafka: bool = typer.Option(False, "--from-kafka", help="the history of the observations topic, not a file"),
    start: str = typer.Option("", "--from", help="with --from-kafka: first event time (ISO-8601)"),
    end: str = typer.Option("", "--to", help="with --from-kafka: event time before which to stop"),
    out: Path = typer.Option(..., "--out", help="folder for the model"),
    name: str = typer.Option("", "--name", help="name of the model [the folder's]"),
    series: str = typer.Option("*", "--series", help="pattern of the series to train on and to judge"),
    interval: str = typer.Option("", "--interval", help="sampling interval such as 30m [found in the data]; 0 = none"),
    window: int = typer.Option(0, "--window", min=0, help="points [lstm: a day; forest: detector.window_size]"),
    stride: int = typer.Option(1, "--stride", min=1, help="a window is scored every so many points"),
    gaps: str = typer.Option("hold", "--gaps", help="hold, linear or break"),
    train_until: str = typer.Option("", "--train-until", help="use only points before this time (ISO-8601)"),
    train_share: float = typer.Option(1.0, "--train-share", min=0.01, max=1, help="use the first share of each series"),
    epochs: int = typer.Option(0, "--epochs", min=0, help="most epochs (lstm)"),
    hidden: int = typer.Option(0, "--hidden", min=0, help="hidden units (lstm)"),
    param: list[str] = typer.Option([], "--param", metavar="NAME=VALUE", help="any parameter of the detector"),
    threshold: str = typer.Option(
        "",
        "--threshold",
        help="tail, percentile, max, mean-std, contamination, f-beta; or one that follows each series: past-deviation, "
        "likelihood, spot, dspot, conformal [the detector's own, else tail; docs/thresholds.md]",
    ),
    threshold_param: list[str] = typer.Option(
        [], "--threshold-param", metavar="NAME=VALUE", help="any parameter of the threshold; repeatable"
    ),
    false_rate: float | None = typer.Option(
        None, "--false-rate", help="tail: normal points above the limit, as a share [0.0001]"
    ),
    percentile: float | None = typer.Option(None, "--percentile", help="of the percentile rule [99]"),
    labels: Path | None = typer.Option(
        None,
        "--labels",
        help="known anomalies (NAB's JSON, a producer's, or CSV series,start,end): left out of training",
    ),
    beta: float | None = typer.Option(None, "--beta", help="f-beta: below 1 precision counts more, above recall [0.5]"),
    member: list[str] = typer.Option(
        [],
        "--member",
        metavar="KIND[,NAME=VALUE…]",
        help="of an ensemble, repeatable; weight=, gate=season, window=, and the detector's parameters "
        "[left-discord, same-phase-neighbours]",
    ),
    calibrated: bool = typer.Option(
        False, "--calibrated", help="score = deviate from the series' own past, one alert per event"
    ),
    seed: int = typer.Option(0, "--seed", help="the same seed gives the same model"),
    time_column: str = typer.Option("", "--time", help="time column [the first named like one]"),
    series_column: str = typer.Option("", "--series-column", help="column of the series id [a column 'series']"),
    value: list[str] = typer.Option([], "--value", help="value column; repeatable [all others]"),
    wide: bool = typer.Option(False, "--wide", help="every value column is a series of its own"),
    as_json: bool = typer.Option(False, "--json", help="print the result as JSON"),
) -> None:
    """Train a detector on mostly normal data; the last quarter, held out, gives the threshold.

    Labels are used only where --labels gives them: labelled points are left out of training, and --threshold f-beta
    chooses the limit on them (on what follows --train-until or --train-share, if anything there is labelled).
    """
    configuration = settings_of(ctx)
    with _progress(as_json) as progress:
        progress("reading", 0.0)
        from eddy.models.core.detector import WindowSpec
        from eddy.models.core.threshold import threshold_from_params
        from eddy.training.data import datasets
        from eddy.training.data.nab import parse_time
        from eddy.training.fitting import artifacts
        from eddy.training.fitting.fit import fit_model, usual_window

        found, notes = read_data_set(
            configuration.settings, data, option="--data", form=form, series=series,
            columns=(time_column, series_column, value, wide), from_kafka=from_kafka, start=start, end=end,
        )  # fmt: skip
        interval_ms = parse_interval(interval) if interval else found.interval_ms()
        forest_window = configuration.settings.detector.window_size
        points = window or _configured_window(configuration) or usual_window(detector, interval_ms, forest_window)
        if gaps not in ("hold", "linear", "break"):
            raise SettingsError(f"--gaps {gaps}: expected hold, linear or break")
        kind, params = chosen_detector(
            detector, _params(detector, param, {"epochs": epochs, "hidden": hidden}), member, calibrated,
            lambda of: window or usual_window(of, interval_ms, forest_window),
        )  # fmt: skip
        spec = WindowSpec(points, stride, found.features, interval_ms, gaps)  # type: ignore[arg-type]
        until = parse_time(train_until) if train_until else None
        flags = {"percentile": ("q", percentile), "f-beta": ("beta", beta)}
        contamination = configuration.settings.detector.contamination
        rule = threshold_rule(threshold, threshold_param, contamination, flags, false_rate)
        series_found = found.regular(spec, until, train_share)
        scored = []
        if labels is not None:
            from dataclasses import replace

            from eddy.training.data.labels import load_labels, without_labelled

            known = load_labels(labels)
            scored = datasets.labelled_part(found, known, spec, until, train_share)
            if rule is not None and rule.name == "f-beta":
                rule = replace(rule, labels=known)
            series_found = without_labelled(series_found, known)
        trained = fit_model(
            name or out.resolve().name, kind, series_found, spec, patterns=(series,),
            params=params,
            rule=rule, seed=seed, progress=progress, scored=scored,
        )  # fmt: skip
        files = artifacts.write(out, trained)
    manifest = trained.manifest
    chosen = threshold_from_params(manifest.threshold)
    limit = chosen.start
    result = {
        "name": manifest.name, "detector": detector, "out": str(out), "files": [f.name for f in files],
        "window": manifest.window, "stride": manifest.stride, "interval_ms": manifest.interval_ms,
        "features": list(manifest.features), "threshold": limit if math.isfinite(limit) else None,
        "threshold_policy": manifest.threshold["policy"], "sha256": manifest.sha256,
        "bytes": len(trained.content), "metrics": manifest.metrics, "notes": [*notes, *trained.notes],
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    m = manifest.metrics
    typer.echo(f"{manifest.name}: {detector}, {m['series']} series, {m['points']:,} points, {m['seconds']} s")
    typer.echo(f"window {manifest.window} points, stride {manifest.stride}, interval {manifest.interval_ms / 1000:g} s")
    typer.echo(
        f"alerts above {limit:.4g} ({threshold or 'default'}, {m['validation_scores']:,} scores)"
        + (f", then by each series' own scores: {chosen.state_size * 8} bytes of state" if chosen.state_size else "")
    )
    for note in [*notes, *trained.notes]:
        typer.echo(f"note: {note}")
    typer.echo(f"written: {', '.join(str(f) for f in files)}")
    typer.echo(f"next: eddy models publish {out}")


def parse_interval(text: str) -> int:
    """Milliseconds of ``30m``, ``10s``, ``1h``, ``1d``, ``500ms``; 0 means that points are not clocked.

    Raises:
        SettingsError: anything else.
    """
    from eddy.training.data.intervals import interval_to_ms

    return interval_to_ms(text, "--interval")


def _configured_window(configuration: Configuration) -> int:
    """The window size, if someone set it; the default is meant for the forest only."""
    asked = "detector.window_size" in configuration.sources
    return configuration.settings.detector.window_size if asked else 0


def _params(detector: str, given: list[str], flags: dict[str, int]) -> dict[str, Any]:
    """Detector parameters from ``NAME=VALUE`` items and from the flags of their own that some have."""
    params = items("--param", given)
    for flag, number in flags.items():
        if not number:
            continue
        if flag not in _OWN_FLAGS.get(detector, ()):
            raise SettingsError(f"--{flag}: {detector} has no such parameter")
        params[flag] = number
    return params


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
