"""Read records through a mapping and sum up what came of them: series, refusals, and what would help."""

from __future__ import annotations

import difflib
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from eddy.connection_settings import SchemaRegistrySettings
from eddy.event_times import UNIT_NAMES, USUAL_TIMES, TimeRange
from eddy.formats import BadObservation, shown
from eddy.input_settings import InputSource
from eddy.inputs.mapping import NO_REGISTRY, Mapping, Observation
from eddy.inputs.paths import MISSING, parse, spelled
from eddy.inputs.record import Record
from eddy.inputs.template import Template
from eddy.inputs.values import leaves

MAX_FAILED = 0.05  # share of elements that may be refused
_MANY_REPEATS = 0.05  # share of observations with the series and time of another, which speaks for a lacking field
_MANY_SPREAD = 0.05  # share of series that come from more than one partition
_UNIT = re.compile(r"([^:]+): .*looks like epoch (\w+) ", re.DOTALL)
_SHOWN_VALUES = 5
MAX_KEPT = 1000  # values of a series


@dataclass(frozen=True)
class Refused:
    """Hold how many elements were refused for a reason, with the first of them."""

    reason: str
    count: int
    place: str
    detail: str


@dataclass(frozen=True)
class SeriesFound:
    """Hold what was found of a series: its observations, the usual time between them, and the first.

    Attributes:
        newest: (event time, values by feature) of at most :data:`MAX_KEPT` of them, as they came.
    """

    observations: int
    interval_ms: int | None
    sample: Observation
    newest: Sequence[tuple[int, dict[str, float]]] = ()


@dataclass
class Check:
    """Hold what came of records.

    Attributes:
        records: how many were read.
        observations, skipped: of them, as :class:`~eddy.inputs.mapping.MappingResult` counts them.
        series: by name, in order of appearance.
        refused: by reason, the most frequent first.
        suggestions: changes of the source that would help.
        units: of times, as ``unit: auto`` found them: how many of each.
    """

    records: int = 0
    observations: int = 0
    skipped: int = 0
    series: dict[str, SeriesFound] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    units: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> float:
        """Return the share of elements that were refused; what is skipped does not count."""
        refused = sum(one.count for one in self.refused)
        return refused / max(refused + self.observations, 1)

    @property
    def passes(self) -> bool:
        """Return whether something was read, and little of it failed."""
        return self.observations > 0 and self.failed <= MAX_FAILED


def check(
    records: Iterable[Record],
    source: InputSource,
    times: TimeRange = USUAL_TIMES,
    name: str = "input",
    registry: SchemaRegistrySettings = NO_REGISTRY,
    joined: Sequence[str] = (),
) -> Check:
    """Read records through the mapping of a source; the arguments are those of :class:`~eddy.inputs.mapping.Mapping`.

    Raises:
        SettingsError: the source cannot be read.
        StackError: the schema registry does not answer.

    Examples:
        >>> found = check([Record("t", value=b'{"series": "a", "ts": 1735689600, "v": 1}')], InputSource(topics="t"))
        >>> found.passes, found.refused[0].reason, found.suggestions
        (False, 'no-field', ['`value` is not there, but `v` is'])
    """
    mapping = Mapping(source, times, name, registry, joined)
    result = Check()
    moments: dict[str, list[int]] = {}
    samples: dict[str, Observation] = {}
    newest: dict[str, deque[tuple[int, dict[str, float]]]] = {}
    problems: dict[str, list[tuple[Record, BadObservation]]] = {}
    partitions: dict[str, set[tuple[str, int]]] = {}
    skipped: list[Record] = []
    for record in records:
        result.records += 1
        found = mapping.read(record)
        result.skipped += found.skipped
        result.observations += len(found.observations)
        if found.skipped and len(skipped) < 100:
            skipped.append(record)
        for one in found.observations:
            moments.setdefault(one.series, []).append(one.ts)
            samples.setdefault(one.series, one)
            newest.setdefault(one.series, deque(maxlen=MAX_KEPT)).append((one.ts, one.values))
            partitions.setdefault(one.series, set()).add((record.topic, record.partition))
        for problem in found.refusals:
            problems.setdefault(problem.reason, []).append((record, problem))
    result.series = {
        one: SeriesFound(len(ts), usual_interval(ts), samples[one], newest[one]) for one, ts in moments.items()
    }
    for reason, found_there in sorted(problems.items(), key=lambda item: -len(item[1])):
        record, problem = found_there[0]
        result.refused.append(Refused(reason, len(found_there), record.place, problem.detail))
    result.suggestions = list(dict.fromkeys(_suggestions(mapping, problems)))
    if not result.observations and skipped:
        result.suggestions += _of_skipped(mapping, skipped)
    repeats = result.observations - sum(len(set(ts)) for ts in moments.values())
    if source.aggregate is None and repeats > _MANY_REPEATS * result.observations:
        result.suggestions.append(
            f"{repeats} of {result.observations} observations have the series and the time of another: the template "
            f"{mapping.source.series!r} may lack a field"
        )
    result.units = mapping.time_units
    spread = sum(len(places) > 1 for places in partitions.values())
    if spread > _MANY_SPREAD * len(partitions):
        result.suggestions.append(
            f"{spread} of {len(partitions)} series are on several partitions, between which Kafka keeps no order: "
            "job.out_of_orderness_ms waits for late points; a key for each series would need no waiting"
        )
    return result


def usual_interval(ts: Sequence[int]) -> int | None:
    """Return the median of the times between neighbours, in ms; None where there is none.

    Examples:
        >>> usual_interval([5000, 1000, 3000, 3000, 9000]), usual_interval([1])
        (2000, None)
    """
    ordered = sorted(set(ts))
    steps = [after - before for before, after in pairwise(ordered)]
    return round(median(steps)) if steps else None


def _suggestions(mapping: Mapping, problems: dict[str, list[tuple[Record, BadObservation]]]) -> Iterator[str]:
    for _, problem in problems.get("bad-time", [])[:100]:
        if match := _UNIT.search(problem.detail):
            unit = next((unit for unit, name in UNIT_NAMES.items() if name == match[2]), None)
            if unit:
                yield f"`{mapping.source.time.field}` looks like epoch {match[2]}: unit: {unit}"
    if any("'numbers: text' reads it" in problem.detail for _, problem in problems.get("bad-value", [])):
        yield "values are numbers that are written as text: numbers: text"
    if "key-mismatch" in problems:
        yield "the records' keys are not the series: key: ignore"
    for record, _ in problems.get("no-field", [])[:1]:
        yield from _of_absent(mapping, record)


def _of_absent(mapping: Mapping, record: Record) -> Iterator[str]:
    """Name the fields nearest to those that a message lacks."""
    source, message = mapping.source, first_message(mapping, record)
    array = parse(source.each).find(message) if source.each else MISSING
    inner = array[0] if isinstance(array, list) and array else {}
    there = [spelled(steps) for scope in (inner, message) for steps, _ in leaves(scope)]
    wanted = [str(one.path) for one in Template(source.series, source.split).fields if not one.kind]
    wanted += [source.time.field] if source.time.field else []
    wanted += source.values.values() if isinstance(source.values, dict) and mapping.columns is None else []
    wanted += [str(column.path) for column in mapping.columns or () if column.path is not None]
    for path in wanted:
        if any(parse(path).find(scope) is not MISSING for scope in (inner, message)):
            continue
        if near := nearest(path, there):
            yield f"`{path}` is not there, but `{near}` is"
    if not source.each:
        for steps, value in leaves(message):
            if isinstance(value, list) and value and isinstance(value[0], dict):
                yield f"`{spelled(steps)}` is an array of objects: each: {spelled(steps)} makes an observation of each"


def nearest(path: str, there: Sequence[str]) -> str:
    """Return the path that is probably meant; empty if none is near.

    Examples:
        >>> nearest("device.id", ["Device.ID", "x"]), nearest("temp", ["data.temp", "data.t"]), nearest("a", ["zz"])
        ('Device.ID', 'data.temp', '')
    """
    for same in (str.lower, lambda text: text.lower().rpartition(".")[2]):
        found = [one for one in there if same(one) == same(path)]
        if found:
            return found[0]
    return next(iter(difflib.get_close_matches(path, there, n=1, cutoff=0.3)), "")


def first_message(mapping: Mapping, record: Record) -> Any:
    """Return the first message of a record that can be read; MISSING if it has none."""
    try:
        return next((one for one in mapping.messages(record) if not isinstance(one, BadObservation)), MISSING)
    except BadObservation:
        return MISSING


def _of_skipped(mapping: Mapping, records: Sequence[Record]) -> Iterator[str]:
    """Show what the fields of ``where`` hold instead."""
    for text in mapping.source.where:
        found: Counter[str] = Counter()
        for record in records:
            value: Any = parse(text).find(first_message(mapping, record))
            found["nothing" if value is MISSING else shown(value)] += 1
        yield f"where: `{text}` holds {', '.join(value for value, _ in found.most_common(_SHOWN_VALUES))}"
