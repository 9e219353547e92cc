"""Read two public data sets, each in its own file format: NYC taxi demand and UCI household power."""

from __future__ import annotations

from pathlib import Path

from eddy.producers.csv_file import CsvSource
from eddy.producers.csv_layout import CsvLayout
from eddy.producers.csv_times import DAY_FIRST

POWER_FEATURES = (
    "Global_active_power",
    "Global_reactive_power",
    "Voltage",
    "Global_intensity",
    "Sub_metering_1",
    "Sub_metering_2",
    "Sub_metering_3",
)
POWER_SERIES = "household-power"
_NAB_ADVICE = "expected a NAB file with the columns timestamp and value; 'eddy produce csv' reads others"
_POWER_ADVICE = "expected household_power_consumption.txt as UCI publishes it; 'eddy produce csv' reads others"


def taxi_source(path: Path, *, series: str = "", strict: bool = False) -> CsvSource:
    """Read NYC taxi demand, or any other file of the Numenta Anomaly Benchmark: ``timestamp,value``.

    Args:
        path: a file with one series.
        series: id of the series; default: the file's name without its ending.
        strict: fail at the first bad row instead of skipping it.
    """
    layout = CsvLayout(time=("timestamp",), values=("value",), series_name=series, advice=_NAB_ADVICE)
    return CsvSource([path], layout, strict=strict)


def power_source(path: Path, *, series: str = POWER_SERIES, strict: bool = False) -> CsvSource:
    """Read UCI's *Individual household electric power consumption* as one multivariate series.

    The file has ``;`` between cells, ``?`` = missing, date ``d/m/Y`` and time in two columns (local time without a
    zone, read as UTC), and seven features a minute.

    Args:
        path: the file.
        series: id of the series.
        strict: fail at the first bad row instead of skipping it.
    """
    layout = CsvLayout(
        time=("Date", "Time"),
        values=POWER_FEATURES,
        time_format=DAY_FIRST,
        delimiter=";",
        series_name=series or POWER_SERIES,
        advice=_POWER_ADVICE,
    )
    return CsvSource([path], layout, strict=strict)
