"""Inspect a data set, and save its windows: ``eddy preprocess``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.data_set_options import DataColumns, DataOrigin, read_data_set
from eddy.cli.main import settings_of
from eddy.cli.option_groups import grouped
from eddy.errors import SettingsError

if TYPE_CHECKING:
    from eddy.training.data.inspection import SeriesFindings

_SHOWN = 20  # series in the table; --json has all


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command()(grouped(preprocess))


def preprocess(
    ctx: typer.Context,
    *,
    file: Path | None = typer.Option(None, "--file", help="CSV, NAB, UCR or UCI power file, or a folder"),
    origin: DataOrigin,
    window_size: int = typer.Option(60, "--window-size", min=1, help="points per window"),
    step_size: int = typer.Option(1, "--step-size", min=1, help="points from one window to the next"),
    out: Path | None = typer.Option(None, "--out", help="where to save the windows, OUT.npz and OUT.json"),
    interval: str = typer.Option("", "--interval", help="sampling interval such as 30m [found in the data]; 0 = none"),
    gaps: str = typer.Option("hold", "--gaps", help="hold, linear or break"),
    max_gap: int = typer.Option(48, "--max-gap", min=0, help="max points filled in one gap; a longer one breaks"),
    scaling: str = typer.Option("minmax", "--scale", help="minmax, standard, robust or none, by the training part"),
    train_share: float = typer.Option(0.6, "--train-share", min=0.01, max=1),
    validation_share: float = typer.Option(0.2, "--validation-share", min=0, max=0.98),
    series: str = typer.Option("*", "--series", help="pattern of the series to read"),
    columns: DataColumns,
    as_json: bool = typer.Option(False, "--json", help="print the findings as JSON"),
) -> None:
    """Inspect a data set; split it in time without leakage, scale it by its training part, cut it into windows."""
    from eddy.cli.train.options import parse_interval
    from eddy.models.core.detector import WindowSpec
    from eddy.training.data.inspection import inspect
    from eddy.training.data.preprocess import prepare, save

    if gaps not in ("hold", "linear", "break"):
        raise SettingsError(f"--gaps {gaps}: expected hold, linear or break")
    data, notes = read_data_set(
        settings_of(ctx).settings, file, option="--file", series=series, origin=origin, columns=columns
    )
    findings = inspect(data)
    interval_ms = parse_interval(interval) if interval else data.interval_ms()
    spec = WindowSpec(window_size, step_size, data.features, interval_ms, gaps, max_gap)  # type: ignore[arg-type]
    prepared = prepare(data, spec, scaling=scaling, train=train_share, validation=validation_share)  # type: ignore[arg-type]
    about: dict[str, Any] = {
        "source": "kafka" if origin.from_kafka else str(file),
        "window": window_size, "step": step_size, "features": list(data.features), "interval_ms": interval_ms,
        "gaps": gaps, "max_gap": max_gap, "scaling": scaling, "gap_between_parts": window_size,
        "windows": {part: len(w.ends) for part, w in prepared.parts.items()},
        "filled_points": {part: int(w.imputed.sum()) for part, w in prepared.parts.items()},
        "windows_left_out": prepared.left_out, "notes": notes,
        "scale": {
            name: {"centre": prepared.centre[k].tolist(), "spread": prepared.spread[k].tolist()}
            for k, name in enumerate(prepared.names)
        },
        "anomalies": {name: [list(span) for span in spans] for name, spans in data.anomalies.items()},
        "series": [asdict(f) for f in findings],
    }  # fmt: skip
    files = save(out, prepared, about) if out is not None else []
    if as_json:
        typer.echo(json.dumps({**about, "files": [str(f) for f in files]}, indent=1, allow_nan=False))
        return
    _print(findings, about)
    typer.echo(f"written: {', '.join(map(str, files))}" if files else "nothing saved; --out NAME saves the windows")


def _print(findings: list[SeriesFindings], about: dict[str, Any]) -> None:
    for f in findings[:_SHOWN]:
        season = f"{f.season}ly season ({f.season_strength:.2f})".replace("dayly", "daily") if f.season else "no season"
        typer.echo(f"{f.name}: {f.rows:,} rows, {f.start} to {f.end}, every {f.interval_ms / 1000:g} s, {season}")
        typer.echo(
            f"  {f.gaps} gaps ({f.missing_points} points, longest {f.longest_gap}), {f.duplicates} duplicates, "
            f"{f.disordered} out of order"
        )
        for name, v in f.features.items():
            span = "no value" if v["min"] is None else f"{v['min']:.6g} to {v['max']:.6g}, mean {v['mean']:.6g}"
            constant = ", constant" if v["constant"] and v["min"] is not None else ""
            counter = ", looks like a counter" if v["counter"] else ""
            typer.echo(f"  {name}: {span}, {v['missing']} missing{constant}{counter}")
    if len(findings) > _SHOWN:
        typer.echo(f"… and {len(findings) - _SHOWN} more series (--json shows all)")
    counts = ", ".join(f"{part} {count:,}" for part, count in about["windows"].items())
    typer.echo(
        f"windows of {about['window']} points every {about['step']}: {counts}; {about['window']} points between parts; "
        f"{about['windows_left_out']} left out for missing values; scaled: {about['scaling']}, by the training part"
    )
    for note in about["notes"]:
        typer.echo(f"note: {note}")
