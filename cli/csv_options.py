"""Define the options of all commands that read CSV files: what the user says about how these are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from eddy.errors import SettingsError
from eddy.settings import Settings

if TYPE_CHECKING:
    from eddy.csv_files.layout import CsvLayout


@dataclass(frozen=True)
class CsvOptions:
    """Hold what the user says about CSV files; what is left out is found in them."""

    time: Annotated[
        list[str],
        typer.Option("--time", help="time column; twice for date and time apart [the first named like one]"),
    ] = field(default_factory=list)
    series_column: Annotated[
        str, typer.Option("--series-column", help="column of the series id [a column 'series', else the file's name]")
    ] = ""
    value: Annotated[list[str], typer.Option("--value", help="value column; repeatable [all others]")] = field(
        default_factory=list
    )
    wide: Annotated[
        bool, typer.Option("--wide", help="every value column is a series of its own, not a feature of one series")
    ] = False
    columns: Annotated[
        str, typer.Option("--columns", help="names of all columns, comma separated, of files without a header line")
    ] = ""
    time_format: Annotated[
        str, typer.Option("--time-format", help="auto, iso, s, ms, us, ns or a strptime pattern")
    ] = "auto"
    timezone: Annotated[str, typer.Option("--timezone", help="zone of times that name none, such as Europe/Paris")] = (
        "UTC"
    )
    min_time: Annotated[
        str, typer.Option("--min-time", help="an earlier time is an error in the file [job.min_event_time]")
    ] = ""
    max_time: Annotated[
        str, typer.Option("--max-time", help="a later time is an error in the file [job.max_event_time]")
    ] = ""
    decimal: Annotated[str, typer.Option("--decimal", help="decimal mark, . or , [found in the file]")] = ""
    thousands: Annotated[
        str, typer.Option("--thousands", help="mark between thousands, such as . or , or space [none]")
    ] = ""
    delimiter: Annotated[
        str, typer.Option("--delimiter", help="between cells: a character, or tab [found in the file]")
    ] = ""
    encoding: Annotated[
        str, typer.Option("--encoding", help="such as cp1252 [by the file's first bytes, else UTF-8]")
    ] = ""

    def layout(self, settings: Settings, series: str = "") -> CsvLayout:
        """Return the layout; ``series`` names the series of files without a series column.

        Raises:
            SettingsError: an option cannot be used.
        """
        from eddy.csv_files.layout import CsvLayout
        from eddy.event_times import ANY_TIME, BadTime, TimeRange, read_time

        usual = settings.job.event_times
        bounds = [usual.first_ms, usual.last_ms]
        for at, (option, text) in enumerate((("--min-time", self.min_time), ("--max-time", self.max_time))):
            try:
                bounds[at] = read_time(text, "auto", ANY_TIME) if text else bounds[at]
            except BadTime as error:
                raise SettingsError(f"{option}: {error}") from None
        if bounds[0] > bounds[1]:
            raise SettingsError(f"--min-time {self.min_time} is after --max-time {self.max_time}")
        return CsvLayout(
            time=tuple(self.time),
            series=self.series_column,
            values=tuple(self.value),
            wide=self.wide,
            columns=tuple(name.strip() for name in self.columns.split(",")) if self.columns else (),
            time_format=self.time_format,
            timezone=self.timezone,
            times=TimeRange(*bounds),
            decimal=self.decimal,
            thousands=self.thousands,
            delimiter=self.delimiter,
            encoding=self.encoding,
            series_name=series,
        )
