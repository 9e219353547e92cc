"""``eddy predict``: a trained model over a CSV file, point by point, as another CSV file."""

from __future__ import annotations

import json
from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(predict)


def predict(
    model: Path = typer.Option(..., "--model", help="folder that 'eddy train --out' wrote"),
    data: Path = typer.Option(..., "--data", help="CSV file, or a folder of them"),
    out: Path = typer.Option(..., "--out", help="CSV file to write"),
    time_column: str = typer.Option("", "--time", help="time column [the first named like one]"),
    series_column: str = typer.Option("", "--series-column", help="column of the series id [a column 'series']"),
    value: list[str] = typer.Option([], "--value", help="value column; repeatable [all others]"),
    wide: bool = typer.Option(False, "--wide", help="every value column is a series of its own"),
    as_json: bool = typer.Option(False, "--json", help="print the result as JSON"),
) -> None:
    """Write expected value, band, score, threshold and verdict of every point; past data only, as the job sees it."""
    from eddy.errors import DataError
    from eddy.models.serving.loaded_model import load_model
    from eddy.training.data import datasets
    from eddy.training.evaluation.predictions import write_predictions
    from eddy.training.fitting import artifacts

    manifest, content = artifacts.read(model)
    loaded = load_model(manifest, content)
    found = datasets.load(data, time_column, series_column, value, wide)
    if found.features != manifest.features:
        raise DataError(
            f"{data}: found {', '.join(found.features)}; model {manifest.name} was trained on "
            f"{', '.join(manifest.features)}; choose the columns with --value"
        )
    segments = [s for s in found.regular(loaded.detector.spec) if manifest.applies_to(s.name)]
    if not segments:
        raise DataError(f"{data}: no series that model {manifest.name} judges ({', '.join(manifest.series)})")
    out.parent.mkdir(parents=True, exist_ok=True)
    points, anomalies = write_predictions(loaded, segments, out)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "points": points, "anomalies": anomalies}))
        return
    typer.echo(f"{points:,} points judged, {anomalies:,} anomalies; written: {out}")
