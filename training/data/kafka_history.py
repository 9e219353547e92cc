"""Read the history of all topics of observations as training data: what the job saw between two event times."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from eddy.errors import DataError
from eddy.inputs.interval_observations import IntervalObservations
from eddy.inputs.mapping import Observation
from eddy.inputs.readers import Readers
from eddy.settings import Settings
from eddy.training.data.datasets import Dataset
from eddy.training.data.points import Points


def load_history(
    settings: Settings,
    start: int | None = None,
    end: int | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> tuple[Dataset, int]:
    """Read the topics as they are now: (series, number of messages or elements that could not be used).

    The events of a source with ``aggregate`` become observations of intervals, as in the job.

    The observations topic is read with the format of the job (``job.format``), the topics of ``input`` by their
    mappings: the same rules as in the job decide what is an observation.

    Topics are read from the oldest record to the end, since brokers index records by the time of sending, and ``ts`` is
    another time.

    Args:
        settings: connection, topic names and input sources.
        start, end: epoch ms; points from ``start`` on and before ``end``. None = all.
        wanted: returns whether to read a series.

    Raises:
        SettingsError: there is no such format, or a source cannot be read.
        StackError: no broker answers, or a topic does not exist.
        DataError: there is no point in this range, or series differ in their features.
    """
    found = Points()
    bad = 0
    topics = Readers(settings).topics()
    intervals = IntervalObservations({f"input.{at}": source for at, source in enumerate(settings.input)})

    def add(observations: Iterable[Observation]) -> None:
        for name, ts, values in observations:
            if (start is None or ts >= start) and (end is None or ts < end) and wanted(name):
                found.add(name, ts, values)

    for topic in topics:
        for record in topic.records():
            result = topic.reader.read(record)
            bad += len(result.refusals)
            add(intervals.take(topic.name, result.observations))
    add(intervals.rest())
    if not found:
        names = ", ".join(one.topic for one in topics)
        raise DataError(
            f"topic{'s' * (len(topics) > 1)} {names}: no observation of these series in this range ({bad} messages "
            "could not be read)"
        )
    return found.dataset(), bad
