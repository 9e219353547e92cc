"""Read two public data sets, each in its own file format: NYC taxi demand and UCI household power."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eddy.csv_files.layout import CsvLayout
from eddy.csv_files.power import POWER_FEATURES, POWER_LAYOUT, POWER_SERIES
from eddy.producers.csv_file import CsvSource

_NAB_ADVICE = "expected a NAB file with the columns timestamp and value; 'eddy produce csv' reads others"


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

    Args:
        path: the file.
        series: id of the series.
        strict: fail at the first bad row instead of skipping it.
    """
    layout = replace(POWER_LAYOUT, values=POWER_FEATURES, series_name=series or POWER_SERIES)
    return CsvSource([path], layout, strict=strict)
