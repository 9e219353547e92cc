"""Read records as an input source describes them: :meth:`Mapping.read`.

The order of the checks decides the reason of a record with several faults: empty, nesting, JSON, object, ``each``; then
for each element ``where``, the series, the key, the time, the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import orjson

from eddy.aggregate_settings import Aggregate
from eddy.connection_settings import SchemaRegistrySettings
from eddy.errors import SettingsError, StackError
from eddy.event_times import USUAL_TIMES, BadTime, TimeRange, read_time
from eddy.formats import BadObservation, check_key, shown
from eddy.input_settings import InputSource
from eddy.inputs.aggregates import Column, aggregation
from eddy.inputs.columns import Columns
from eddy.inputs.conditions import Conditions
from eddy.inputs.formats.base import MAX_ELEMENTS, message_format
from eddy.inputs.paths import MISSING, Path, parse
from eddy.inputs.record import Record
from eddy.inputs.template import Template, checked
from eddy.inputs.times import TimeReader
from eddy.inputs.values import Values

#: reasons that a mapping gives; a format has further ones
REASONS = frozenset(
    {
        "empty", "not-json", "not-an-object", "key-mismatch", "bad-format",
        "no-field", "bad-time", "too-old", "future", "bad-value", "no-series", "too-many",
    }
)  # fmt: skip

NO_REGISTRY = SchemaRegistrySettings()

T = TypeVar("T")


class Observation(NamedTuple):
    """Hold what one observation says: its series, event time (epoch ms), and values by feature, NaN = missing.

    Of a source with ``aggregate`` it is an event, and its values are numbers by the labels of the columns.
    """

    series: str
    ts: int
    values: dict[str, float]

    def to_json(self) -> bytes:
        """Return the observations topic's own message.

        Examples:
            >>> Observation("a/1", 1735689600000, {"value": 4.5}).to_json()
            b'{"series":"a/1","ts":1735689600000,"value":4.5}'
            >>> Observation("a", 0, {"t": 1.0, "p": math.nan}).to_json()
            b'{"series":"a","ts":0,"values":{"t":1.0,"p":null}}'
        """
        values = {name: None if math.isnan(value) else value for name, value in self.values.items()}
        said = {"value": values["value"]} if [*values] == ["value"] else {"values": values}
        return orjson.dumps({"series": self.series, "ts": self.ts, **said})


@dataclass
class MappingResult:
    """Hold what came of a record.

    Attributes:
        observations: in the order of the elements, and of the features where they are split.
        skipped: elements that ``where`` kept out, or whose values are left out; a record without elements counts one.
        refusals: of elements, or one of the record.
    """

    observations: list[Observation] = field(default_factory=list)
    skipped: int = 0
    refusals: list[BadObservation] = field(default_factory=list)


class Mapping:
    """Read the records of one source.

    Args:
        source: of the settings.
        times: event times that are taken, ``settings.job.event_times``.
        name: what errors call the source.
        registry: where schemas are found.
        joined: names of values that other sources of the same ``aggregate.join`` make.

    Attributes:
        source: with what its format gives where it says nothing itself.
        columns: that its events are read into; None without ``aggregate``, where each is an observation.

    Raises:
        SettingsError: a path, template, pattern, expression or format in the source is none.

    Examples:
        >>> mapping = Mapping(InputSource(topics="t", series="{site}", time={"field": "at"}, values={"temp": "t"}))
        >>> mapping.read(Record("t", value=b'{"site": "a", "at": 1735689600, "t": 4.2}')).observations
        [Observation(series='a', ts=1735689600000, values={'temp': 4.2})]
        >>> mapping.read(Record("t", value=b'{"Site": "a", "at": 1735689600, "t": 4.2}')).refusals
        [BadObservation("no-field: series: the message: found no field 'site'; there are 'Site', 'at', 't'")]
    """

    def __init__(
        self,
        source: InputSource,
        times: TimeRange = USUAL_TIMES,
        name: str = "input",
        registry: SchemaRegistrySettings = NO_REGISTRY,
        joined: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._times = times
        form = source.format
        self._format = self._made("format", lambda: message_format(form.name, form.options, registry))
        self.source = source = completed(source, self._format.defaults)
        self._each = self._made("each", lambda: parse(source.each)) if source.each else None
        self._conditions = self._made("where", lambda: Conditions(source.where))
        self._template = self._made("series", lambda: Template(source.series, source.split))
        self._time: TimeReader | None = None
        named = [*self._conditions.paths, *(one.path for one in self._template.fields if not one.kind)]
        if source.time.unit != "kafka":
            self._time = self._made("time", lambda: TimeReader(source.time, times))
            self._time_path = self._made("time.field", lambda: parse(source.time.field))
            named.append(self._time_path)
        self.columns: tuple[Column, ...] | None = None
        if source.aggregate is not None:
            self.columns = self._aggregation(source.aggregate, joined)
            self._columns = Columns(self.columns, source)
        else:
            self._values = self._made("values", lambda: Values(source, {path.steps for path in named}))

    def _made(self, setting: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except (ValueError, SettingsError) as error:
            raise SettingsError(f"{self._name}.{setting}: {error}") from None

    def _aggregation(self, rule: Aggregate, joined: Sequence[str]) -> tuple[Column, ...]:
        try:
            return aggregation(rule, joined).columns
        except ValueError as error:  # it names the expression
            raise SettingsError(f"{self._name}.{error}") from None

    def messages(self, record: Record) -> Iterable[Any]:
        """Return the messages of a record as the source's format reads them.

        Raises:
            BadObservation: the record is no message of the format.
            StackError, SettingsError: as :meth:`eddy.inputs.formats.base.MessageFormat.messages` says.
        """
        try:
            return self._format.messages(record)
        except (BadObservation, SettingsError, StackError):
            raise
        except Exception as error:  # somebody else's code: it must not stop the job
            found = f"format {self._format.name}: {type(error).__name__}: {error}"
            raise BadObservation("bad-format", found) from None

    @property
    def time_units(self) -> dict[str, int]:
        """Return how many times ``unit: auto`` has found each unit; empty with another unit."""
        return {} if self._time is None else dict(self._time.units)

    def read(self, record: Record) -> MappingResult:
        """Read one record; the same record always gives the same result.

        Raises:
            StackError, SettingsError: as :meth:`messages`; nothing that is in a record is a reason for either.
        """
        try:
            messages = list(self.messages(record))
        except BadObservation as problem:
            return MappingResult(refusals=[problem])
        return self.read_messages(record, messages)

    def read_messages(self, record: Record, messages: Sequence[Any]) -> MappingResult:
        """Read messages that are plain values already: those of the record, or a row of a file."""
        result = MappingResult()
        if not messages:
            result.skipped = 1
        for at, message in enumerate(messages):
            self._read_message(record, message, f"[{at}]: " if len(messages) > 1 else "", result)
        return result

    def _read_message(self, record: Record, message: Any, place: str, result: MappingResult) -> None:
        try:
            if isinstance(message, BadObservation):
                raise message
            elements = self._elements(message)
        except BadObservation as problem:
            result.refusals.append(BadObservation(problem.reason, place + problem.detail))
            return
        if not elements:
            result.skipped += 1
        for scopes, index in elements:
            try:
                found = self._observations(record, _Scopes(scopes))
                result.observations += found
                result.skipped += not found
            except BadObservation as problem:
                where = place if index is None else f"{place}{self._each}[{index}]: "
                result.refusals.append(BadObservation(problem.reason, where + problem.detail))

    def _elements(self, message: Any) -> list[tuple[tuple[Any, ...], int | None]]:
        """Return the scopes of each element, its own object first, with its index in the array."""
        if not isinstance(message, dict):
            raise BadObservation("not-an-object", f"found {shown(message)}, expected an object")
        if self._each is None:
            return [((message,), None)]
        array = self._each.find(message)
        if array is MISSING:
            raise BadObservation("no-field", f"each: {self._each.trouble(message)}")
        if not isinstance(array, list):
            raise BadObservation("no-field", f"each: {self._each}: found {shown(array)}, expected an array")
        if len(array) > MAX_ELEMENTS:
            found = f"{self._each}: found {len(array)} elements"
            raise BadObservation("too-many", f"{found}, expected at most {MAX_ELEMENTS}")
        around = tuple(_enclosing(self._each, message))
        return [((element, *around), index) for index, element in enumerate(array)]

    def _observations(self, record: Record, scopes: _Scopes) -> list[Observation]:
        own = scopes.all[0]
        if not isinstance(own, dict | list):
            raise BadObservation("not-an-object", f"found {shown(own)}, expected an object or an array")
        if not self._conditions.hold(scopes.find):
            return []
        series = self._template.series(record, lambda path: scopes.there(path, "series"))
        if self.source.key == "check":
            check_key(series, record.key)
        ts = self._ts(record, scopes)
        if self.columns is not None:
            numbers = self._columns.read(scopes.find, scopes.there)
            return [] if numbers is None else [Observation(series, ts, numbers)]
        values = self._values.read(scopes.find, scopes.there, own)
        if not self.source.split:
            return [Observation(series, ts, values)] if values else []
        escape = self._template.escape
        return [Observation(checked(f"{series}/{escape(name)}"), ts, {"value": one}) for name, one in values.items()]

    def _ts(self, record: Record, scopes: _Scopes) -> int:
        if self._time is not None:
            return self._time.read(scopes.there(self._time_path, "time"))
        try:
            return read_time(record.timestamp, "ms", self._times)
        except BadTime as problem:
            reason = "bad-time" if record.timestamp < 0 else problem.outside or "bad-time"  # -1: it has none
            raise BadObservation(reason, f"the record's timestamp: {problem}") from None


def completed(source: InputSource, defaults: ReadOnly[str, Any]) -> InputSource:
    """Return a source with what its format gives where it says nothing itself."""
    given = source.model_dump(exclude_unset=True)
    if source.aggregate is not None:  # it says what the values are
        defaults = {name: value for name, value in defaults.items() if name not in {"values", "split"}}
    return InputSource.model_validate({**defaults, **given}) if defaults else source


class _Scopes:
    """Look fields up in an element, then in each object and array around it, outwards.

    The first of them in which the whole path is there counts, with null as well.
    """

    def __init__(self, scopes: tuple[Any, ...]) -> None:
        self.all = scopes

    def find(self, path: Path) -> Any:
        """Return what stands there, or MISSING."""
        for scope in self.all:
            if (found := path.find(scope)) is not MISSING:
                return found
        return MISSING

    def there(self, path: Path, name: str) -> Any:
        """Return what stands there; raise ``no-field`` if nothing does."""
        if (found := self.find(path)) is MISSING:
            outwards = ", nor in what is around it" if len(self.all) > 1 else ""
            raise BadObservation("no-field", f"{name}: {path.trouble(self.all[0])}{outwards}")
        return found


def _enclosing(each: Path, message: Any) -> Iterator[Any]:
    """Yield what encloses the elements, from the innermost to the message; the array itself is not among them."""
    for end in range(len(each.steps) - 1, -1, -1):
        yield Path(each.steps[:end]).find(message)
