"""Read files through the mapping of an input source: a message in each line, or the rows of a Parquet file."""

from __future__ import annotations

from pathlib import Path

from eddy.csv_files.skipped import Skipped
from eddy.errors import DataError
from eddy.input_settings import InputSource
from eddy.inputs.files import results_of
from eddy.inputs.interval_observations import IntervalObservations
from eddy.inputs.mapping import Mapping
from eddy.settings import Settings
from eddy.training.data.datasets import Dataset
from eddy.training.data.points import Points


def load_mapped(path: Path, source: InputSource, settings: Settings, skipped: Skipped, name: str = "input") -> Dataset:
    """Read a file, or every file of a folder, whose lines or Parquet rows are records of an input source.

    The records have no key, headers and timestamp; their topic is that of the source, if it has one, so that series are
    called as in the job.

    Args:
        path: file or folder.
        source: what reads it.
        settings: of event times and the schema registry.
        skipped: counts the elements that cannot be read; in strict mode the first is an error.
        name: what errors call the source.

    Raises:
        DataError: a file cannot be read, or holds no observation; names file and line.
        SettingsError: the source cannot be read.
    """
    mapping = Mapping(source, settings.job.event_times, name, settings.schema_registry)
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    topic = source.topics[0] if len(source.topics) == 1 else ""
    points, left_out, intervals = Points(), 0, IntervalObservations({name: source})
    for file in files:
        for record, result in results_of(file, mapping, topic):
            left_out += result.skipped
            for problem in result.refusals:
                skipped.add(file.name, record.offset, str(problem))
            for one in intervals.take(name, result.observations):
                points.add(one.series, one.ts, one.values)
    for one in intervals.rest():
        points.add(one.series, one.ts, one.values)
    if not points:
        first = f", as in {skipped.examples[0]}" if skipped.examples else ""
        raise DataError(
            f"{path}: no observation by {name}{first}; {left_out:,} elements are none by 'where' or 'missing'"
        )
    return points.dataset()
