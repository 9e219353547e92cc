"""Read observations from Kafka records: the interface of message formats, and JSON, the one that is shipped.

The job, the trainer and the commands all read observations with the format that ``job.format`` names. Another package
adds a format as one class and one entry point of the group ``eddy.formats``; see ``docs/how-to/format.md``.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import orjson
from numpy.typing import NDArray

from eddy.event_times import USUAL_TIMES, BadTime, TimeRange, read_time
from eddy.plugins import ClassRegistry
from eddy.texts import MAX_NAME_BYTES, PRINTABLE, is_printable, size

MAX_SERIES_BYTES = MAX_NAME_BYTES
MAX_FEATURES = 1024
#: reasons that a format may give; the job has further ones for what it finds itself (``late``, ``future`` …)
REASONS = frozenset(
    {"empty", "not-json", "not-an-object", "bad-series", "bad-ts", "bad-value", "no-value", "bad-format"}
)
_SHOWN, _MAX_DETAIL = 60, 500

#: (series id, event time as epoch ms or ISO-8601 text, value by feature; NaN = missing)
Parsed = tuple[str, int | str, Mapping[str, float]]


class BadObservation(Exception):
    """Refuse a record; the job writes it to the dead-letter topic with the reason.

    Args:
        reason: one of :data:`REASONS`, for counting.
        detail: what was found, what was expected; at most 500 characters of it are kept.
    """

    def __init__(self, reason: str, detail: str) -> None:
        detail = detail[:_MAX_DETAIL].encode(errors="replace").decode()  # it becomes a header: no lone surrogates
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Format(ABC):
    """Turn one record into one observation. Extend this class and write :meth:`parse`; the rest is optional.

    The runtime makes one object per operator when a worker starts, and uses it from one thread. It also parses records
    again: events that waited for a model, after a restart as well, and the whole topic when a model is trained. So the
    same record must always give the same observation: no clock, no counter, no look-up that changes.

    Args:
        argument: what follows the first colon of the setting, as in ``job.format=csv:;``; empty without one.

    Attributes:
        name: what ``job.format`` calls the format; the entry point has the same name.
        times: event times that are taken; :func:`find_format` sets what ``job.min_event_time`` and
            ``job.max_event_time`` say.
    """

    name: ClassVar[str]
    times: TimeRange = USUAL_TIMES

    def __init__(self, argument: str = "") -> None:
        self.argument = argument

    @abstractmethod
    def parse(self, value: bytes, key: bytes | None) -> Parsed:
        """Read one record.

        The runtime calls this for every record that :meth:`scan` left over, millions of times: compile expressions and
        schemas in ``__init__``. What comes back is checked (series id, time, numbers), so there is no need to.

        A record whose message key is not the series id becomes a dead letter. A record without a key works only if it
        is JSON with a field ``series``, which the Java side finds: with any other format, producers must set the key.

        Args:
            value: of the record; empty where it had none.
            key: of the record; None where it had none.

        Returns:
            (series id, event time as epoch ms or ISO-8601 text, value by feature). A record of one unnamed value names
            it ``value``; NaN is a missing value.

        Raises:
            BadObservation: the record is no observation. Any other exception is turned into one of the reason
                ``bad-format``: a mistake in a format costs records, never the job.
        """

    def scan(
        self,
        values: NDArray[np.uint8],
        ends: NDArray[np.int32],
        codes: NDArray[np.int32],
        keys: NDArray[np.uint8],
        key_ends: NDArray[np.int32],
        ts: NDArray[np.int64],
        value: NDArray[np.float64],
        read: NDArray[np.bool_],
    ) -> None:
        """Read many records at once, for speed; called once per micro-batch. This one leaves all to :meth:`parse`.

        Fill only the rows that :meth:`parse` would read in the same way, with one feature named ``value`` and the
        series that the key names; set ``read`` to False for all others, never guess and never refuse.

        Args:
            values: (bytes,) the records' values one after another; ``ends`` (n,) says where each ends.
            codes: (n,) index of each record's key in ``keys`` (bytes,), whose ends are ``key_ends``.
            ts, value, read: (n,) outputs: epoch ms, value (NaN = missing), whether this row was read.
        """
        read[:] = False

    def read(self, value: bytes, key: bytes | None) -> tuple[str, int, dict[str, float]]:
        """Parse one record and check what came of it: (series id, epoch ms, value by feature).

        Raises:
            BadObservation: the record is no observation, or what :meth:`parse` gave can be none.
        """
        try:
            series, ts, values = self.parse(value, key)
            return check_series(series), check_ts(ts, self.times), check_values(values)
        except BadObservation as problem:
            if problem.reason in REASONS:
                raise
            found = f"format {self.name}: {problem}"
        except Exception as error:  # somebody else's code: it must not stop the job
            found = f"format {self.name}: {type(error).__name__}: {error}"
        raise BadObservation("bad-format", found)


class JsonFormat(Format):
    """Read ``{"series": "s", "ts": 1700000000000, "value": 1.5}``, or ``"values": {"feature": number, …}``.

    Examples:
        >>> JsonFormat().read(b'{"series": "pump-1", "ts": "2026-11-29T00:00:00Z", "value": 1.5}', b"pump-1")
        ('pump-1', 1795910400000, {'value': 1.5})
        >>> JsonFormat().read(b'{"series": "pump-1", "ts": 1795910400000}', None)
        Traceback (most recent call last):
        ...
        eddy.formats.BadObservation: no-value: expected a field 'value' or 'values'
    """

    name = "json"

    def parse(self, value: bytes, key: bytes | None = None) -> tuple[str, int, dict[str, float]]:
        """Read one JSON object in full."""
        if not value:
            raise BadObservation("empty", "found no value, expected a JSON object")
        try:
            raw = orjson.loads(value)
        except orjson.JSONDecodeError as strict:
            try:  # NaN and Infinity are no JSON, but common: NaN means missing, Infinity gets its own reason below
                raw = json.loads(value)
            except (ValueError, RecursionError):
                raise BadObservation("not-json", f"{strict}; expected a JSON object") from None
        if not isinstance(raw, dict):
            raise BadObservation("not-an-object", f"found {shown(raw)}, expected a JSON object")
        return check_series(raw.get("series")), check_ts(raw.get("ts"), self.times), _values(raw)

    def read(self, value: bytes, key: bytes | None = None) -> tuple[str, int, dict[str, float]]:
        """Parse one record; parsing checks everything already."""
        return self.parse(value, key)


#: formats by the name that ``job.format`` gives them
FORMATS: ClassRegistry[Format] = ClassRegistry(
    "format", "eddy.formats", "eddy.formats:Format", "name", {"json": "eddy.formats:JsonFormat"}
)


def find_format(setting: str, times: TimeRange = USUAL_TIMES) -> Format:
    """Make the format that ``job.format`` names: ``name`` or ``name:argument``.

    Args:
        setting: the name.
        times: event times that are taken, ``settings.job.event_times``.

    Raises:
        SettingsError: there is no such format, or it cannot be loaded.

    Examples:
        >>> find_format("json").name
        'json'
    """
    name, _, argument = setting.partition(":")
    form = FORMATS.get(name)(argument)
    form.times = times
    return form


def check_series(found: Any) -> str:
    """Return a series id, if it can be one."""
    if not isinstance(found, str) or not found:
        raise BadObservation("bad-series", f"field 'series': found {shown(found)}, expected a text that is not empty")
    if size(found) > MAX_SERIES_BYTES:
        raise BadObservation("bad-series", f"field 'series': expected at most {MAX_SERIES_BYTES} bytes")
    if not is_printable(found):
        raise BadObservation("bad-series", f"field 'series': found {shown(found)}, expected {PRINTABLE}")
    return found


def check_key(series: str, key: bytes | None) -> None:
    """Refuse a record whose message key is not its series id; None is no key."""
    if key is not None and key != series.encode():
        raise BadObservation(
            "key-mismatch", f"message key {shown(key)} differs from series {shown(series)}; expected the same"
        )


def check_ts(found: Any, times: TimeRange = USUAL_TIMES) -> int:
    """Return an event time in epoch ms; text of digits is a number like any other."""
    try:
        return read_time(found, "ms", times)
    except BadTime as problem:
        raise BadObservation("bad-ts", f"field 'ts': {problem}") from None


def check_values(found: Any) -> dict[str, float]:
    """Return values by feature; None becomes NaN, a missing value."""
    if not isinstance(found, Mapping) or not 0 < len(found) <= MAX_FEATURES:
        what = shown(found) if not isinstance(found, Mapping) else f"{len(found)} features"
        raise BadObservation("bad-value", f"field 'values': found {what}, expected an object of 1 to {MAX_FEATURES}")
    names = list(map(str, found))
    all_names = "".join(names)  # checked at once: it is done per event
    if len(all_names) > MAX_NAME_BYTES or not is_printable(all_names):
        _check_features(names)
    return {name: _number(f"values.{name}", value) for name, value in zip(names, found.values(), strict=True)}


def _check_features(names: list[str]) -> None:
    for name in names:
        if size(name) > MAX_NAME_BYTES or not is_printable(name):
            expected = f"a name of at most {MAX_NAME_BYTES} bytes, {PRINTABLE}"
            raise BadObservation("bad-value", f"field 'values': found the feature {shown(name)}, expected {expected}")


def shown(found: Any) -> str:
    """Quote what was found, shortened."""
    text = repr(found)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({type(found).__name__})"


def _values(raw: Mapping[str, Any]) -> dict[str, float]:
    if "values" in raw:
        return check_values(raw["values"])
    if "value" not in raw:
        raise BadObservation("no-value", "expected a field 'value' or 'values'")
    return {"value": _number("value", raw["value"])}


def _number(field: str, found: Any) -> float:
    if found is None:
        return math.nan
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadObservation("bad-value", f"field {field!r}: found {shown(found)}, expected a number or null")
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise BadObservation("bad-value", f"field {field!r}: found {shown(found)}, expected a finite number")
    return number
