"""Find series that come at another interval than a model expects, by the newest observations in their topics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eddy.inputs.interval_rules import interval_rules
from eddy.inputs.newest_records import newest_records
from eddy.inputs.readers import ObservationTopic, Readers
from eddy.models.core.detector import WindowSpec
from eddy.models.windowing.sampling import mismatch, usual_step
from eddy.settings import Settings

NEWEST = 5000  # records of each topic
_FEWEST = 8  # points of a series, from which on its interval is known


def newest_mismatch(settings: Settings, applies_to: Callable[[str], bool], spec: WindowSpec) -> str:
    """Say which series come at another interval than the windows expect; empty if none is known to.

    Args:
        settings: connection, topic names and input sources.
        applies_to: whether the model scores a series.
        spec: of the model.

    Raises:
        StackError: no broker answers, or a topic does not exist.
        SettingsError: a source cannot be read.
    """
    found = [
        said for name, step in _steps(settings).items() if applies_to(name) and (said := mismatch(name, step, spec))
    ]
    return "" if not found else found[0] + (f" (and {len(found) - 1} more series)" if len(found) > 1 else "")


def _steps(settings: Settings) -> dict[str, int]:
    """Return the usual step of each series, in ms; of aggregated events that of their intervals."""
    every = {
        name: rule.every_ms
        for rule in interval_rules({f"input.{at}": source for at, source in enumerate(settings.input)})
        for name in rule.sources
    }
    times: dict[str, list[int]] = {}
    steps: dict[str, int] = {}
    for topic in Readers(settings).topics():
        for series, ts in _newest(settings, topic):
            if topic.is_aggregated:
                steps[series] = every[topic.name]
            else:
                times.setdefault(series, []).append(ts)
    return {**{name: usual_step(np.array(ts)) for name, ts in times.items() if len(ts) >= _FEWEST}, **steps}


def _newest(settings: Settings, topic: ObservationTopic) -> list[tuple[str, int]]:
    here = settings.model_copy(update={"kafka": topic.kafka})
    return [
        (one.series, one.ts)
        for record in newest_records(here, topic.topic, NEWEST)
        for one in topic.reader.read(record).observations
    ]
