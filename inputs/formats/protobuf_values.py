"""Turn Protobuf messages into plain values, by plans that are made once for each type of message."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from eddy.formats import BadObservation
from eddy.inputs.plain_values import bytes_text, decimal_number

MAX_VALUES = 1_000_000  # of a record: an empty message takes two bytes, and becomes all of its fields
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS = range(1_000_000_000)

Convert = Callable[[Any], Any]


class _Field(NamedTuple):
    name: str
    convert: Convert | None  # None: the value as it is
    repeated: bool
    presence: bool  # it may be not set; then it is null …
    left_out: bool  # … or, in a oneof, not there at all


class PlainMessages:
    """Convert messages.

    A field of a oneof that is not set is not there. Another one that is not set is null where Protobuf tells this
    (``optional``, messages, wrappers), else its default, which proto3 does not tell from a value that was sent.

    Raises of :meth:`plain`:
        BadObservation: ``too-many`` values, or ``bad-format`` for a time that is none.
    """

    def __init__(self) -> None:
        self._plans: dict[int, tuple[Descriptor, tuple[_Field, ...]]] = {}
        self._left = 0

    def plain(self, message: Any) -> Any:
        """Return a message as plain values."""
        self._left = MAX_VALUES
        return self._converter(message.DESCRIPTOR)(message)

    def _converter(self, descriptor: Descriptor) -> Convert:
        known = _KNOWN.get(descriptor.full_name)
        if known is not None:
            return known
        if descriptor.full_name in _WRAPPERS:
            return _wrapped
        if descriptor.full_name in _STRUCTS:
            return partial(_struct, self)
        return self._message

    def _message(self, message: Any) -> dict[str, Any]:
        descriptor = message.DESCRIPTOR
        # by its identity, which is cheaper than a name; kept beside the plan, so that it stays this one's
        found = self._plans.get(id(descriptor))
        if found is None:
            found = self._plans[id(descriptor)] = (descriptor, tuple(map(self._field, descriptor.fields)))
        self.count(len(found[1]))
        plain: dict[str, Any] = {}
        for name, convert, repeated, presence, left_out in found[1]:
            if presence and not message.HasField(name):
                if not left_out:
                    plain[name] = None
                continue
            value = getattr(message, name)
            if repeated:
                plain[name] = self._several(value, convert)
            else:
                plain[name] = value if convert is None else convert(value)
        return plain

    def count(self, values: int) -> None:
        """Count values of this record."""
        self._left -= values
        if self._left < 0:
            raise BadObservation("too-many", f"protobuf: found more values, expected at most {MAX_VALUES} in a record")

    def _several(self, value: Any, convert: Convert | None) -> Any:
        self.count(len(value))
        if isinstance(value, Mapping):
            return {_key(key): value[key] if convert is None else convert(value[key]) for key in value}
        return list(value) if convert is None else [convert(one) for one in value]

    def _field(self, field: FieldDescriptor) -> _Field:
        repeated = field.label == FieldDescriptor.LABEL_REPEATED
        source = field
        if repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            source = field.message_type.fields_by_name["value"]
        oneof = field.containing_oneof
        # of proto3's 'optional' the compiler makes a oneof of its own, with an underscore in front
        left_out = oneof is not None and not (len(oneof.fields) == 1 and oneof.name == f"_{field.name}")
        return _Field(field.name, self._of_type(source), repeated, field.has_presence, left_out)

    def _of_type(self, field: FieldDescriptor) -> Convert | None:
        if field.message_type is not None:
            return self._converter(field.message_type)
        if field.enum_type is not None:
            names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
            return lambda number: names.get(number, number)
        return bytes_text if field.type == FieldDescriptor.TYPE_BYTES else None


def _key(key: Any) -> str:
    """Return the key of a map as JSON has it."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def _wrapped(message: Any) -> Any:
    value = message.value
    return bytes_text(value) if isinstance(value, bytes) else value


def _timestamp(message: Any) -> str:
    nanos = message.nanos
    try:
        moment = _EPOCH + timedelta(seconds=message.seconds)
    except OverflowError:
        moment = None
    if moment is None or nanos not in _NANOS:
        found = f"found a Timestamp of {message.seconds} s and {nanos} ns"
        raise BadObservation("bad-format", f"protobuf: {found}, expected one of the years 1 to 9999")
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z" if moment.year > 999 else f"{moment.isoformat()[:19]}{fraction}Z"


def _duration(message: Any) -> float:
    return float(message.seconds + message.nanos / 1e9)


def _date(message: Any) -> str:
    return f"{message.year:04d}-{message.month:02d}-{message.day:02d}"


def _decimal(message: Any) -> int | float:
    return decimal_number(message.value, message.scale)


def _struct(messages: PlainMessages, message: Any) -> Any:
    """Return the JSON that a Struct, a Value or a ListValue stands for."""
    name = message.DESCRIPTOR.name
    if name == "Struct":
        messages.count(len(message.fields))
        return {key: _struct(messages, message.fields[key]) for key in message.fields}
    if name == "ListValue":
        messages.count(len(message.values))
        return [_struct(messages, one) for one in message.values]
    kind = message.WhichOneof("kind")
    if kind in {None, "null_value"}:
        return None
    value = getattr(message, kind)
    if kind == "number_value":
        return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < 2**53 else value
    return _struct(messages, value) if kind in {"struct_value", "list_value"} else value


_STRUCTS = frozenset(f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))
_KNOWN: dict[str, Convert] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.type.Date": _date,
    "confluent.type.Decimal": _decimal,
}
