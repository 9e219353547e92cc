"""Define the options of commands that read a data set: a file, a folder, or the observations topic's history."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from eddy.errors import SettingsError
from eddy.settings import Settings

if TYPE_CHECKING:
    from eddy.training.data.datasets import Dataset


def read_data_set(
    settings: Settings,
    path: Path | None,
    *,
    option: str,
    form: str,
    series: str,
    columns: tuple[str, str, Sequence[str], bool],
    from_kafka: bool,
    start: str,
    end: str,
) -> tuple[Dataset, list[str]]:
    """Read the data set that the options name; return (series, notes for the user).

    Args:
        path: file or folder; ``option`` is what it is called on the command line.
        form: of the file.
        series: pattern of the series to read.
        columns: time column, series column, value columns, wide.
        from_kafka: read the topic instead; ``start`` and ``end`` are ISO-8601 or empty.
    """
    from eddy.training.data import datasets
    from eddy.training.data.kafka_history import load_history
    from eddy.training.data.nab import parse_time

    if from_kafka == (path is not None):
        raise SettingsError(f"give either {option} or --from-kafka")
    if not from_kafka:
        if start or end:
            raise SettingsError("--from and --to go with --from-kafka")
        assert path is not None  # noqa: S101
        time, name, values, wide = columns
        return datasets.load(path, time, name, values, wide, form).only(series), []
    if any(columns) or form != "auto":
        raise SettingsError("--format, --time, --series-column, --value and --wide go with files, not messages")
    first, last = (parse_time(text) if text else None for text in (start, end))
    found, bad = load_history(settings, first, last, lambda name: fnmatchcase(name, series))
    return found, [f"{bad} messages of the topic could not be read"] if bad else []
