"""Make observations of intervals offline, of the events that a mapping gives for a source with ``aggregate``.

The job does the same as events come (``flink_job/operators/interval_stage.py``). Here all of them are there: nothing is
late, and only the last interval, which the data may end in the middle of, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from eddy.input_settings import InputSource
from eddy.inputs.interval_rules import interval_rules
from eddy.inputs.mapping import Observation
from eddy.models.intervals.aggregator import Aggregator, Closed
from eddy.models.intervals.rule import IntervalRule

_AT_ONCE = 20_000  # events


def observations_of(closed: Closed, rule: IntervalRule) -> Iterator[Observation]:
    """Yield the observations of closed intervals of a rule, in their order."""
    features = rule.features
    for code, ts, row in zip(closed.codes.tolist(), closed.ts.tolist(), closed.values.tolist(), strict=True):
        yield Observation(closed.names[code], ts, dict(zip(features, row, strict=True)))


class IntervalObservations:
    """Take what mappings give; plain observations pass, events are kept until :meth:`rest`.

    Args:
        sources: by the name that errors call them.

    Raises:
        SettingsError: an aggregation is none.

    Examples:
        >>> source = InputSource(topics="t", aggregate={"every": "1m", "values": {"n": "count", "top": "max of ms"}})
        >>> intervals = IntervalObservations({"input.0": source})
        >>> intervals.take("input.0", [Observation("a", ts, {"ms": ms}) for ts, ms in ((0, 5.0), (59_000, 7.0))])
        []
        >>> intervals.take("input.0", [Observation("b", 60_000, {"ms": 1.0})]), list(intervals.rest())
        ([], [Observation(series='a', ts=0, values={'n': 2.0, 'top': 7.0})])
    """

    def __init__(self, sources: Mapping[str, InputSource]) -> None:
        self._waiting: dict[str, list[Observation]] = {}
        self._every = [Aggregator(rule) for rule in interval_rules(sources)]
        self._aggregators = {name: (one, number) for one in self._every for name, number in one.rule.sources.items()}
        self._newest = {id(one): 0 for one in self._every}

    def take(self, name: str, observations: Sequence[Observation]) -> Sequence[Observation]:
        """Return the observations of a source without ``aggregate``; keep the events of others."""
        if name not in self._aggregators:
            return observations
        waiting = self._waiting.setdefault(name, [])
        waiting += observations
        if len(waiting) >= _AT_ONCE:
            self._add(name)
        return []

    def rest(self) -> Iterator[Observation]:
        """Yield the observation of each interval that ended before the newest event, in order of time."""
        for name in list(self._waiting):
            self._add(name)
        for one in self._every:
            while (closed := one.close(self._newest[id(one)] + one.rule.wait_ms)) is not None:
                yield from observations_of(closed, one.rule)

    def _add(self, name: str) -> None:
        events = self._waiting.pop(name)
        one, number = self._aggregators[name]
        labels = one.rule.columns[number]
        index: dict[str, int] = {}
        codes = np.array([index.setdefault(event.series, len(index)) for event in events], np.int64)
        ts = np.array([event.ts for event in events], np.int64)
        values = np.array([[event.values[label] for label in labels] for event in events]).reshape(len(events), -1)
        one.add(number, list(index), codes, ts, values)
        self._newest[id(one)] = max(self._newest[id(one)], int(ts.max(initial=0)))
