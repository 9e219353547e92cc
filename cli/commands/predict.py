"""Score a CSV file point by point with a trained model, and write another CSV file: ``eddy predict``."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from eddy.cli.data_set_options import DataColumns, read_files
from eddy.cli.main import settings_of
from eddy.cli.option_groups import grouped


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(grouped(predict))


def predict(
    ctx: typer.Context,
    *,
    model: Path = typer.Option(..., "--model", help="folder that 'eddy train --out' wrote"),
    data: Path = typer.Option(..., "--data", help="CSV file, or a folder of them"),
    out: Path = typer.Option(..., "--out", help="CSV file to write"),
    columns: DataColumns,
    as_json: bool = typer.Option(False, "--json", help="print the result as JSON"),
) -> None:
    """Write expected value, band, score, threshold and verdict of every point; past data only, as the job sees it."""
    from dataclasses import replace

    from eddy.errors import DataError
    from eddy.models.engine.options import alerting_options
    from eddy.models.serving.loaded_model import load_model
    from eddy.training.evaluation.backtest import why_nothing
    from eddy.training.evaluation.predictions import write_predictions
    from eddy.training.fitting import artifacts

    manifest, content = artifacts.read(model)
    loaded = load_model(manifest, content)
    found, notes = read_files(settings_of(ctx).settings, data, columns)
    if found.features != manifest.features:
        raise DataError(
            f"{data}: found {', '.join(found.features)}; model {manifest.name} was trained on "
            f"{', '.join(manifest.features)}; choose the columns with --value"
        )
    series = tuple(s for s in found.series if manifest.applies_to(s.name))
    if not series:
        raise DataError(f"{data}: no series that model {manifest.name} applies to ({', '.join(manifest.series)})")
    out.parent.mkdir(parents=True, exist_ok=True)
    options = alerting_options(settings_of(ctx).settings)
    done = write_predictions(loaded, replace(found, series=series), out, options)
    if not done.points:
        raise DataError(
            f"{data}: no point could be scored by {manifest.name}: {why_nothing(loaded.detector.spec, series)}"
        )
    if as_json:
        typer.echo(json.dumps({"out": str(out), "points": done.points, "anomalies": done.anomalies}))
        return
    typer.echo(f"{done.points:,} points scored, {done.anomalies:,} anomalies; written: {out}")
    for note in notes:
        typer.echo(f"note: {note}")
