"""Put observations on Kafka: ``eddy produce …``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eddy.cli.csv_options import CsvOptions
from eddy.cli.main import settings_of
from eddy.cli.option_groups import Without, grouped
from eddy.cli.produce.options import LabelOutput, Sending
from eddy.cli.produce.sending import replay, send, send_stream
from eddy.errors import DataError

if TYPE_CHECKING:
    from eddy.producers.source import Source

Endless = Annotated[Sending, Without("delay", "start_offset", "loop")]
Generated = Annotated[Sending, Without("delay", "start_offset", "loop", "strict")]
SERIES = typer.Option("", "--series", help="id of the series (default: the file's name)")
SEED = typer.Option(7, "--seed", help="the same seed makes the same stream")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    produce = typer.Typer(no_args_is_help=True, help="Put observations on Kafka.")
    app.add_typer(produce, name="produce")
    for name, command in (
        ("taxi", taxi),
        ("power", power),
        ("csv", csv_files),
        ("folder", folder),
        ("market", market),
        ("synthetic", synthetic),
    ):
        produce.command(name)(grouped(command))


def taxi(
    ctx: typer.Context,
    *,
    data: Path = typer.Option(..., "--data", help="nyc_taxi.csv, or any other NAB file: timestamp,value"),
    series: str = SERIES,
    sending: Sending,
) -> None:
    """Replay NYC taxi demand, or another series in NAB's format."""
    from eddy.producers.public_data_sets import taxi_source

    replay(ctx, lambda: taxi_source(data, series=series, strict=sending.strict), sending)


def power(
    ctx: typer.Context,
    *,
    data: Path = typer.Option(..., "--data", help="household_power_consumption.txt as UCI publishes it"),
    series: str = typer.Option("household-power", "--series", help="id of the series"),
    sending: Sending,
) -> None:
    """Replay UCI household power: seven features a minute as one multivariate series."""
    from eddy.producers.public_data_sets import power_source

    replay(ctx, lambda: power_source(data, series=series, strict=sending.strict), sending)


def csv_files(
    ctx: typer.Context,
    *,
    files: list[Path] = typer.Argument(..., help="one or more CSV files"),
    series: str = SERIES,
    columns: CsvOptions,
    order: str = typer.Option("time", "--order", help="time: sorted by event time; file: as it is, bounded memory"),
    sending: Sending,
) -> None:
    """Replay any CSV files: wide or long, one series or many, one value or several features."""
    from eddy.producers.csv_file import CsvSource

    if order not in ("time", "file"):
        raise DataError(f"--order {order}: expected time or file")
    layout = columns.layout(settings_of(ctx).settings, series)
    in_order = order == "time"
    replay(ctx, lambda: CsvSource(files, layout, order="time" if in_order else "file", strict=sending.strict), sending)


def folder(
    ctx: typer.Context,
    *,
    path: Path = typer.Argument(..., help="the folder to watch"),
    pattern: str = typer.Option("*.csv", "--pattern", help="names of the files that count"),
    state: Path | None = typer.Option(
        None, "--state", help="memory of what is done (default: .eddy-folder.json in it)"
    ),
    poll: float = typer.Option(1.0, "--poll", min=0, help="seconds between polls; a file must rest that long"),
    once: bool = typer.Option(False, "--once", help="end when all that is there has been sent"),
    columns: CsvOptions,
    sending: Endless,
) -> None:
    """Watch a folder and stream every new CSV file exactly once. Ctrl-C ends it; the next run goes on."""
    from eddy.producers.folder import FolderSource

    layout = columns.layout(settings_of(ctx).settings)

    def make(stop: threading.Event, notify: Callable[[str], None]) -> Source:
        return FolderSource(
            path,
            layout,
            pattern=pattern,
            state=state,
            poll_seconds=poll,
            once=once,
            strict=sending.strict,
            stop=stop,
            notify=notify,
        )

    send(ctx, make, sending)


def market(
    ctx: typer.Context,
    *,
    series: int = typer.Option(12, "--series", min=1, help="how many"),
    days: int = typer.Option(28, "--days", min=2, help="length of the stream"),
    clean_days: int = typer.Option(7, "--clean-days", min=1, help="without incidents at its start"),
    incidents: int = typer.Option(36, "--incidents", min=0, help="in all series together"),
    interval: float = typer.Option(10, "--interval", min=0.1, help="minutes between two prices"),
    seed: int = SEED,
    labels: LabelOutput,
    sending: Generated,
) -> None:
    """Stream synthetic prices with known jumps, bad ticks, frozen feeds and volatility shifts."""
    from eddy.producers.synthetic import market_stream

    if clean_days >= days:
        raise DataError(f"--clean-days {clean_days}: expected less than --days {days}")
    stream = market_stream(
        seed, series=series, days=days, clean_days=clean_days, incidents=incidents, interval_minutes=interval
    )
    send_stream(ctx, stream, "market", "all", labels, sending)


def synthetic(
    ctx: typer.Context,
    *,
    part: str = typer.Option("live", "--part", help="live (with incidents), train (clean, before it) or all"),
    seed: int = SEED,
    small: bool = typer.Option(False, "--small", help="a few series and incidents only"),
    labels: LabelOutput,
    train_file: Path | None = typer.Option(None, "--train-file", help="also write the clean part as a CSV file"),
    sending: Generated,
) -> None:
    """Stream the demo's data: taxi-like demand and market-like prices with labelled incidents."""
    from eddy.producers.synthetic import generate, generate_small, write_train_csv

    if part not in ("live", "train", "all"):
        raise DataError(f"--part {part}: expected live, train or all")
    stream = generate_small(seed) if small else generate(seed)
    if train_file:
        rows = write_train_csv(train_file, stream)
        typer.echo(f"clean part: {rows:,} rows in {train_file}", err=True)
    send_stream(ctx, stream, "synthetic", part, labels, sending)
