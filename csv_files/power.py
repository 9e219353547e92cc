"""Describe UCI's *Individual household electric power consumption*: seven features a minute, one series.

The file has ``;`` between cells, ``?`` = missing, date ``d/m/Y`` and time in two columns (local time without a zone,
read as UTC).
"""

from __future__ import annotations

from pathlib import Path

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.times import DAY_FIRST

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
#: of files with all or some of the features
POWER_LAYOUT = CsvLayout(
    time=("Date", "Time"),
    time_format=DAY_FIRST,
    decimal=".",
    delimiter=";",
    series_name=POWER_SERIES,
    advice="expected Date;Time;… as in household_power_consumption.txt, which UCI publishes; 'eddy produce csv' reads "
    "others",
)


def is_power(path: Path) -> bool:
    """Return whether a file begins as UCI's does."""
    try:
        with path.open("rb") as file:
            return file.read(10) == b"Date;Time;"
    except OSError:
        return False
