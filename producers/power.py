"""Read UCI's *Individual household electric power consumption* in its own file format, as one multivariate series.

``;`` between cells, ``?`` = missing, date ``d/m/Y`` and time in two columns (local time without a zone, read as UTC),
seven features a minute.
"""

from __future__ import annotations

from pathlib import Path

from eddy.producers.csv_file import CsvSource
from eddy.producers.csv_layout import CsvLayout
from eddy.producers.csv_times import DAY_FIRST

FEATURES = (
    "Global_active_power",
    "Global_reactive_power",
    "Voltage",
    "Global_intensity",
    "Sub_metering_1",
    "Sub_metering_2",
    "Sub_metering_3",
)
ADVICE = "expected household_power_consumption.txt as UCI publishes it; 'eddy produce csv' reads others"
SERIES = "household-power"


def power_source(path: Path, *, series: str = SERIES, strict: bool = False) -> CsvSource:
    """Return the file as a source."""
    layout = CsvLayout(
        time=("Date", "Time"),
        values=FEATURES,
        time_format=DAY_FIRST,
        delimiter=";",
        series_name=series or SERIES,
        advice=ADVICE,
    )
    return CsvSource([path], layout, strict=strict)
