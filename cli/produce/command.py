"""Put observations on Kafka: ``eddy produce …``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from eddy.cli.produce.sending import Sending, replay, send, send_stream
from eddy.errors import DataError

if TYPE_CHECKING:
    from eddy.producers.csv_layout import CsvLayout
    from eddy.producers.source import Source

SPEED = typer.Option(None, "--speed", help="'max', or seconds of event time per second (3600 = an hour each second)")
DELAY = typer.Option(
    None, "--delay", min=0, help="seconds after each message, without --speed (default: producer.delay_seconds)"
)
OFFSET = typer.Option(
    None, "--start-offset", min=0, help="observations left out at the start (default: producer.start_offset)"
)
LOOP = typer.Option(
    None, "--loop/--no-loop", help="start again at the end, event time moving on (default: producer.loop)"
)
STRICT = typer.Option(False, "--strict", help="fail at the first bad row instead of skipping it")
AS_JSON = typer.Option(False, "--json", help="print the report as JSON")
CLIENT = typer.Option(
    None, "--client", help="kafka-python or librdkafka (default: librdkafka flat out, else kafka-python)"
)
WAIT = typer.Option(
    None,
    "--wait-for-app/--no-wait-for-app",
    help="send only once the job runs (default: no, unless WAIT_FOR_APP is set)",
)
SERIES = typer.Option("", "--series", help="id of the series (default: the file's name)")
TIME = typer.Option([], "--time", help="time column; twice for date and time apart (default: the first named like one)")
SERIES_COLUMN = typer.Option(
    "", "--series-column", help="column of the series id (default: a column 'series', else file name)"
)
VALUE = typer.Option([], "--value", help="value column; repeatable (default: all others)")
WIDE = typer.Option(False, "--wide", help="every value column is a series of its own, not a feature of one series")
COLUMNS = typer.Option("", "--columns", help="names of all columns, comma separated, of files without a header line")
TIME_FORMAT = typer.Option("auto", "--time-format", help="auto, iso, s, ms or a strptime pattern; naive times are UTC")
DELIMITER = typer.Option("", "--delimiter", help="between cells (default: found from the first line)")
SEED = typer.Option(7, "--seed", help="the same seed makes the same stream")
LABELS = typer.Option(
    None, "--labels", help="file for the labels (default: labels/NAME-SEED.json under stack.data_dir)"
)
LABELS_TOPIC = typer.Option(True, "--labels-topic/--no-labels-topic", help="also send the labels to their own topic")


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    produce = typer.Typer(no_args_is_help=True, help="Put observations on Kafka.")
    app.add_typer(produce, name="produce")

    @produce.command()
    def taxi(
        ctx: typer.Context,
        data: Path = typer.Option(..., "--data", help="nyc_taxi.csv, or any other NAB file: timestamp,value"),
        series: str = SERIES,
        speed: str | None = SPEED,
        delay: float | None = DELAY,
        start_offset: int | None = OFFSET,
        loop: bool | None = LOOP,
        strict: bool = STRICT,
        client: str | None = CLIENT,
        wait: bool | None = WAIT,
        as_json: bool = AS_JSON,
    ) -> None:
        """Replay NYC taxi demand, or another series in NAB's format."""
        from eddy.producers.taxi import taxi_source

        replay(
            ctx,
            lambda: taxi_source(data, series=series, strict=strict),
            start_offset,
            loop,
            Sending(speed, delay, client, wait, as_json),
        )

    @produce.command()
    def power(
        ctx: typer.Context,
        data: Path = typer.Option(..., "--data", help="household_power_consumption.txt as UCI publishes it"),
        series: str = typer.Option("household-power", "--series", help="id of the series"),
        speed: str | None = SPEED,
        delay: float | None = DELAY,
        start_offset: int | None = OFFSET,
        loop: bool | None = LOOP,
        strict: bool = STRICT,
        client: str | None = CLIENT,
        wait: bool | None = WAIT,
        as_json: bool = AS_JSON,
    ) -> None:
        """Replay UCI household power: seven features a minute as one multivariate series."""
        from eddy.producers.power import power_source

        replay(
            ctx,
            lambda: power_source(data, series=series, strict=strict),
            start_offset,
            loop,
            Sending(speed, delay, client, wait, as_json),
        )

    @produce.command("csv")
    def csv_files(
        ctx: typer.Context,
        files: list[Path] = typer.Argument(..., help="one or more CSV files"),
        series: str = SERIES,
        time: list[str] = TIME,
        series_column: str = SERIES_COLUMN,
        value: list[str] = VALUE,
        wide: bool = WIDE,
        columns: str = COLUMNS,
        time_format: str = TIME_FORMAT,
        delimiter: str = DELIMITER,
        order: str = typer.Option("time", "--order", help="time: sorted by event time; file: as it is, bounded memory"),
        speed: str | None = SPEED,
        delay: float | None = DELAY,
        start_offset: int | None = OFFSET,
        loop: bool | None = LOOP,
        strict: bool = STRICT,
        client: str | None = CLIENT,
        wait: bool | None = WAIT,
        as_json: bool = AS_JSON,
    ) -> None:
        """Replay any CSV files: wide or long, one series or many, one value or several features."""
        from eddy.producers.csv_file import CsvSource

        if order not in ("time", "file"):
            raise DataError(f"--order {order}: expected time or file")
        layout = _layout(time, series_column, value, wide, columns, time_format, delimiter, series)
        replay(
            ctx,
            lambda: CsvSource(files, layout, order="time" if order == "time" else "file", strict=strict),
            start_offset,
            loop,
            Sending(speed, delay, client, wait, as_json),
        )

    @produce.command()
    def folder(
        ctx: typer.Context,
        path: Path = typer.Argument(..., help="the folder to watch"),
        pattern: str = typer.Option("*.csv", "--pattern", help="names of the files that count"),
        state: Path | None = typer.Option(
            None, "--state", help="memory of what is done (default: .eddy-folder.json in it)"
        ),
        poll: float = typer.Option(1.0, "--poll", min=0, help="seconds between looks; a file must rest that long"),
        once: bool = typer.Option(False, "--once", help="end when all that is there has been sent"),
        time: list[str] = TIME,
        series_column: str = SERIES_COLUMN,
        value: list[str] = VALUE,
        wide: bool = WIDE,
        columns: str = COLUMNS,
        time_format: str = TIME_FORMAT,
        delimiter: str = DELIMITER,
        speed: str | None = SPEED,
        strict: bool = STRICT,
        client: str | None = CLIENT,
        wait: bool | None = WAIT,
        as_json: bool = AS_JSON,
    ) -> None:
        """Watch a folder and stream every new CSV file exactly once. Ctrl-C ends it; the next run goes on."""
        from eddy.producers.folder import FolderSource

        layout = _layout(time, series_column, value, wide, columns, time_format, delimiter, "")

        def make(stop: threading.Event, say: Callable[[str], None]) -> Source:
            return FolderSource(
                path,
                layout,
                pattern=pattern,
                state=state,
                poll_seconds=poll,
                once=once,
                strict=strict,
                stop=stop,
                say=say,
            )

        send(ctx, make, Sending(speed, None, client, wait, as_json))

    @produce.command()
    def market(
        ctx: typer.Context,
        series: int = typer.Option(12, "--series", min=1, help="how many"),
        days: int = typer.Option(28, "--days", min=2, help="length of the stream"),
        clean_days: int = typer.Option(7, "--clean-days", min=1, help="without incidents at its start"),
        incidents: int = typer.Option(36, "--incidents", min=0, help="in all series together"),
        interval: float = typer.Option(10, "--interval", min=0.1, help="minutes between two prices"),
        seed: int = SEED,
        labels: Path | None = LABELS,
        labels_topic: bool = LABELS_TOPIC,
        speed: str | None = SPEED,
        client: str | None = CLIENT,
        wait: bool | None = WAIT,
        as_json: bool = AS_JSON,
    ) -> None:
        """Stream synthetic prices with known jumps, bad ticks, frozen feeds and volatility shifts."""
        from eddy.producers.market import market_stream

        if clean_days >= days:
            raise DataError(f"--clean-days {clean_days}: expected less than --days {days}")
        stream = market_stream(
            seed, series=series, days=days, clean_days=clean_days, incidents=incidents, interval_minutes=interval
        )
        send_stream(ctx, stream, "market", "all", labels, labels_topic, Sending(speed, None, client, wait, as_json))

    @produce.command()
    def synthetic(
        ctx: typer.Context,
        part: str = typer.Option("live", "--part", help="live (with incidents), train (clean, before it) or all"),
        seed: int = SEED,
        small: bool = typer.Option(False, "--small", help="a few series and incidents only"),
        labels: Path | None = LABELS,
        labels_topic: bool = LABELS_TOPIC,
        train_file: Path | None = typer.Option(None, "--train-file", help="also write the clean part as a CSV file"),
        speed: str | None = SPEED,
        client: str | None = CLIENT,
        wait: bool | None = WAIT,
        as_json: bool = AS_JSON,
    ) -> None:
        """Stream the demo's data: taxi-like demand and market-like prices with labelled incidents."""
        from eddy.producers.synthetic import generate, generate_small
        from eddy.producers.train_file import write_train_csv

        if part not in ("live", "train", "all"):
            raise DataError(f"--part {part}: expected live, train or all")
        stream = generate_small(seed) if small else generate(seed)
        if train_file:
            rows = write_train_csv(train_file, stream)
            typer.echo(f"clean part: {rows:,} rows in {train_file}", err=True)
        send_stream(ctx, stream, "synthetic", part, labels, labels_topic, Sending(speed, None, client, wait, as_json))


def _layout(
    time: list[str],
    series_column: str,
    value: list[str],
    wide: bool,
    columns: str,
    time_format: str,
    delimiter: str,
    series: str,
) -> CsvLayout:
    from eddy.producers.csv_layout import CsvLayout

    return CsvLayout(
        time=tuple(time),
        series=series_column,
        values=tuple(value),
        wide=wide,
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
        time_format=time_format,
        delimiter=delimiter,
        series_name=series,
    )
