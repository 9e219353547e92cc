"""Define the options of commands that read a data set: a file, a folder, or the history of topics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eddy.cli.csv_options import CsvOptions
from eddy.errors import SettingsError
from eddy.patterns import matches
from eddy.settings import Settings

if TYPE_CHECKING:
    from eddy.training.data.datasets import Dataset


@dataclass(frozen=True)
class DataOrigin:
    """Hold the format of the files, or the part of the topics that is read in their place."""

    form: Annotated[str, typer.Option("--format", help="auto, csv, nab, ucr or power")] = "auto"
    from_kafka: Annotated[
        bool,
        typer.Option(
            "--from-kafka", help="the history of the observations topic and the topics of 'input', not a file"
        ),
    ] = False
    start: Annotated[str, typer.Option("--from", help="with --from-kafka: first event time (ISO-8601)")] = ""
    end: Annotated[str, typer.Option("--to", help="with --from-kafka: event time before which to stop")] = ""


@dataclass(frozen=True)
class DataColumns(CsvOptions):
    """Hold what the user says about files that are read as a whole, and what is done with their bad rows."""

    source: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="N|FILE",
            help="read a message per line, not CSV: by source N of 'input' (from 0), or by the one in a YAML file",
        ),
    ] = ""
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="leave out and count rows that cannot be read [fail at the first]")
    ] = False


def read_files(settings: Settings, path: Path, columns: DataColumns, form: str = "auto") -> tuple[Dataset, list[str]]:
    """Read a file, or every file of a folder; return (series, notes for the user).

    Raises:
        DataError: a file cannot be read, or holds no row that can be used.
        SettingsError: an option cannot be used.
    """
    from eddy.csv_files.skipped import Skipped
    from eddy.training.data import datasets

    if columns.source:
        return _read_mapped(settings, path, columns, form)
    skipped = Skipped() if columns.skip_bad_rows else datasets.strict()
    found = datasets.load(path, form=form, layout=columns.layout(settings), skipped=skipped)
    notes = [f"{skipped.rows:,} rows left out, the first: {skipped.examples[0]}"] if skipped.rows else []
    return found, notes


def _read_mapped(settings: Settings, path: Path, columns: DataColumns, form: str) -> tuple[Dataset, list[str]]:
    from eddy.csv_files.skipped import Skipped
    from eddy.inputs.files import chosen_source
    from eddy.training.data.mapped_files import load_mapped

    if form != "auto" or replace(columns, source="", skip_bad_rows=False) != DataColumns():
        raise SettingsError("--format and the options for CSV files, such as --time, do not go with --input")
    advice = "--skip-bad-rows leaves such messages out and counts them"
    skipped = Skipped() if columns.skip_bad_rows else Skipped(strict=True, advice=advice)
    name, source = chosen_source(settings, columns.source)
    found = load_mapped(path, source, settings, skipped, name)
    return found, [f"{skipped.rows:,} messages left out, the first: {skipped.examples[0]}"] if skipped.rows else []


def read_data_set(
    settings: Settings,
    path: Path | None,
    *,
    option: str,
    series: str,
    origin: DataOrigin,
    columns: DataColumns | None = None,
) -> tuple[Dataset, list[str]]:
    """Read the data set that the options name; return (series, notes for the user).

    Args:
        settings: connection and topic.
        path: file or folder; ``option`` is its name on the command line.
        option: see ``path``.
        series: pattern of the series to read.
        origin: format of the files; or the part of the topic, with times in ISO-8601.
        columns: of the files.

    Raises:
        SettingsError: the options do not go together.
    """
    from eddy.training.data.kafka_history import load_history
    from eddy.training.data.nab import parse_time

    columns = columns or DataColumns()
    if origin.from_kafka == (path is not None):
        raise SettingsError(f"give either {option} or --from-kafka")
    if path is not None:
        if origin.start or origin.end:
            raise SettingsError("--from and --to go with --from-kafka")
        found, notes = read_files(settings, path, columns, origin.form)
        return found.only(series), notes
    if columns != DataColumns() or origin.form != "auto":
        raise SettingsError(
            "--format, --input and the options for CSV files, such as --time, go with files, not messages: topics of "
            "'input' are read by their own sources"
        )
    first, last = (parse_time(text) if text else None for text in (origin.start, origin.end))
    found, bad = load_history(settings, first, last, lambda name: matches(series, name))
    return found, [f"{bad} messages of the topics could not be read"] if bad else []
