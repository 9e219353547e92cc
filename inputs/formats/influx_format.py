r"""Read InfluxDB's line protocol: one message for each line.

::

    line        = measurement { "," tag-key "=" tag-value } " " field { "," field } [ " " timestamp ]
    field       = field-key "=" ( float | integer "i" | unsigned "u" | '"' string '"' | boolean )

A backslash before a comma, a blank or (in keys and tag values) an equals sign takes its meaning away; before a quote
or a backslash in a string, too. Any other backslash stands for itself. Lines that are blank, or begin with ``#``, are
none. A line feed ends a line, except in a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs.formats.base import MessageFormat
from eddy.inputs.formats.bounds import limited, text
from eddy.inputs.formats.options import check_names, choice
from eddy.inputs.record import NO_TIMESTAMP, Record

PRECISIONS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}  # nanoseconds
_INT64, _UINT64 = range(-(1 << 63), 1 << 63), range(1 << 64)
_BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
# no quantifier gives back what it took: a line is read in one pass, whatever stands in it
_MEASUREMENT = re.compile(r"(?:\\[, ]|[^, \n])++")
_KEY = re.compile(r"((?:\\[,= ]|[^,= \n])++)=")
_TAG = re.compile(r",((?:\\[,= ]|[^,= \n])++)=((?:\\[,= ]|[^,= \n])++)")
_STRING = re.compile(r'"((?:\\["\\]|[^"])*+)"')
_BARE = re.compile(r"[^, \r\n]++")
_TIMESTAMP = re.compile(r" ++(-?[0-9]{1,20})(?= *+\r?(?:\n|\Z))")
_END = re.compile(r" *+\r?(?:\n|\Z)")
_NOTHING = re.compile(r"(?:[ \t\r]*+(?:#[^\n]*+)?\n)*+[ \t\r]*+(?:#[^\n]*+\Z)?")
_NUMBER = re.compile(r"([+-]?[0-9]{1,20})([iu])|[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,3})?")
_MAX_NUMBER = 400  # characters
_ESCAPED, _ESCAPED_NAME, _ESCAPED_STRING = re.compile(r"\\([,= ])"), re.compile(r"\\([, ])"), re.compile(r'\\(["\\])')
_SPECIAL, _SPECIAL_NAME = re.compile("([,= ])"), re.compile("([, ])")


class InfluxLines(MessageFormat):
    r"""Read lines as ``{"measurement", "tags": {}, "fields": {}, "time", "series"}``.

    ``time`` is epoch nanoseconds; that of a line without one is the record's timestamp. ``series`` is InfluxDB's
    series key without the field: the measurement and all tags, in order of their names, escaped as in a line. Numbers
    are features, each a series of its own (``<series>/fields.<key>``), since lines of the same tags and time often
    have different fields; strings and booleans are none.

    Options:
        precision: unit of the timestamps: ns, us, ms or s; ``ns``.

    Examples:
        >>> one = InfluxLines({"precision": "s"}, SchemaRegistrySettings())
        >>> one.messages(Record("t", value=b"m,b=2,a=1 x=1i,ok=t 1735689600"))[0]["series"]
        'm,a=1,b=2'
    """

    name: ClassVar[str] = "influx"
    defaults: ClassVar[Mapping[str, Any]] = {
        "time": {"field": "time", "unit": "ns"},
        "values": "*",
        "split": True,
        "missing": "skip",
    }

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("precision",))
        self._ns = PRECISIONS[choice(options, "precision", "ns", PRECISIONS)]

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each line; a line that is none refuses only itself."""
        return limited(self._lines(text(record, "line protocol"), record.timestamp))

    def _lines(self, lines: str, timestamp: int) -> Iterator[Any]:
        at, end = 0, len(lines)
        while True:
            at = _NOTHING.match(lines, at).end()  # type: ignore[union-attr]  # it matches the empty text
            if at >= end:
                return
            try:
                message, at = self._line(lines, at, timestamp)
                yield message
            except BadObservation as problem:
                number = lines.count("\n", 0, at) + 1
                yield BadObservation(problem.reason, f"line {number}: {problem.detail}")
                at = lines.find("\n", at) + 1 or end

    def _line(self, lines: str, at: int, timestamp: int) -> tuple[dict[str, Any], int]:
        """Read the line that begins at a place; return its message, and where the next one begins."""
        while lines[at] in " \t\r":  # as InfluxDB does
            at += 1
        match = _MEASUREMENT.match(lines, at)
        if match is None:
            raise _refusal(lines, at, "a measurement")
        measurement, at = _ESCAPED_NAME.sub(r"\1", match[0]), match.end()
        tags: dict[str, str] = {}
        while match := _TAG.match(lines, at):
            key, value = match.groups()
            if "\\" in match[0]:
                key, value = _ESCAPED.sub(r"\1", key), _ESCAPED.sub(r"\1", value)
            if key in tags:
                raise BadObservation("bad-format", f"found the tag {shown(key)} twice, expected it once")
            tags[key], at = value, match.end()
        if lines[at : at + 1] != " ":
            raise _refusal(lines, at, "a tag such as ,key=value, or a blank and fields")
        while lines[at : at + 1] == " ":
            at += 1
        fields, at = _fields(lines, at)
        message: dict[str, Any] = {"series": series_key(measurement, tags), "measurement": measurement}
        message |= {"tags": tags, "fields": fields}
        if match := _TIMESTAMP.match(lines, at):
            message["time"], at = int(match[1]) * self._ns, match.end()
        elif timestamp != NO_TIMESTAMP:
            message["time"] = timestamp * PRECISIONS["ms"]
        if (match := _END.match(lines, at)) is None:
            raise _refusal(lines, at, "a whole number as timestamp, or the end of the line")
        return message, match.end()


def _fields(lines: str, at: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    while True:
        match = _KEY.match(lines, at)
        if match is None:
            raise _refusal(lines, at, "a field such as key=1.5")
        key, at = match[1], match.end()
        if "\\" in key:
            key = _ESCAPED.sub(r"\1", key)
        if match := _STRING.match(lines, at):
            fields[key] = _ESCAPED_STRING.sub(r"\1", match[1])
        elif match := _BARE.match(lines, at):
            fields[key] = _value(key, match[0])
        else:
            raise _refusal(lines, at, f"a value of the field {shown(key)}")
        at = match.end()
        if lines[at : at + 1] != ",":
            return fields, at
        at += 1


def _value(key: str, found: str) -> float | int | bool:
    """Return a value that is no string."""
    if found in _BOOLEANS:
        return _BOOLEANS[found]
    match = _NUMBER.fullmatch(found) if len(found) <= _MAX_NUMBER else None
    if match is None:
        raise BadObservation(
            "bad-format", f"{shown(key)}: found {shown(found)}, expected a number, a string or a boolean"
        )
    if match[2] is None:
        return float(found)
    number = int(match[1])
    if number not in (_INT64 if match[2] == "i" else _UINT64):
        raise BadObservation("bad-format", f"{shown(key)}: found {shown(found)}, expected a number of 64 bits")
    return number


def series_key(measurement: str, tags: Mapping[str, str]) -> str:
    r"""Return measurement and tags as a line has them, tags in order of their names.

    Examples:
        >>> print(series_key("my cpu", {"host": "a,b", "core": "0"}))
        my\ cpu,core=0,host=a\,b
    """
    parts = [_SPECIAL_NAME.sub(r"\\\1", measurement)]
    parts += [f"{_SPECIAL.sub(_BACKSLASH, key)}={_SPECIAL.sub(_BACKSLASH, tags[key])}" for key in sorted(tags)]
    return ",".join(parts)


_BACKSLASH = r"\\\1"


def _refusal(lines: str, at: int, expected: str) -> BadObservation:
    found = lines[at : at + 40].partition("\n")[0]
    return BadObservation("bad-format", f"found {shown(found) if found else 'the end'}, expected {expected}")
