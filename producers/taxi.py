"""Read files of the Numenta Anomaly Benchmark, such as NYC taxi demand: ``timestamp,value``, one series each."""

from __future__ import annotations

from pathlib import Path

from eddy.producers.csv_file import CsvSource
from eddy.producers.csv_layout import CsvLayout

ADVICE = "expected a NAB file with the columns timestamp and value; 'eddy produce csv' reads others"


def taxi_source(path: Path, *, series: str = "", strict: bool = False) -> CsvSource:
    """Return the file as a source; the series is named after the file unless a name is given."""
    layout = CsvLayout(time=("timestamp",), values=("value",), series_name=series, advice=ADVICE)
    return CsvSource([path], layout, strict=strict)
