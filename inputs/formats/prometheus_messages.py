"""Define the messages of Prometheus' remote write 1.0 that are read, without generated code.

Field numbers are those of ``prometheus.WriteRequest``. What is left out here, such as exemplars, is not parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from eddy.formats import BadObservation
from eddy.inputs.formats.options import library

_FIELDS = {
    # message: (field, number, type, whether it is repeated)
    "Label": (("name", 1, "string", False), ("value", 2, "string", False)),
    "Sample": (("value", 1, "double", False), ("timestamp", 2, "int64", False)),
    "TimeSeries": (("labels", 1, "Label", True), ("samples", 2, "Sample", True)),
    "WriteRequest": (
        ("timeseries", 1, "TimeSeries", True),
        ("metadata", 3, "bytes", True),
        ("symbols", 4, "bytes", True),  # of remote write 2.0
        ("timeseries2", 5, "bytes", True),  # of remote write 2.0
    ),
}
_PACKAGE = "eddy.prometheus"  # in a pool of its own: another library may define Prometheus' names
_UNCOUNTED_BYTES = 1024 * 1024  # so many cannot hold more elements than the limit, as each has two bytes or more
MAX_FIELDS = 512 * 1024  # of a request and its time series; a parsed one takes about 64 bytes, however small it is


@cache
def write_request(form: str) -> Any:
    """Return the class of a write request.

    Raises:
        SettingsError: protobuf is not installed.
    """
    descriptors = library("google.protobuf.descriptor_pb2", form)
    pools, factory = library("google.protobuf.descriptor_pool", form), library("google.protobuf.message_factory", form)
    file = descriptors.FileDescriptorProto(name="eddy/prometheus.proto", package=_PACKAGE, syntax="proto3")
    kinds = descriptors.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        made = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = made.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in _FIELDS:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = pools.DescriptorPool()
    pool.Add(file)
    return factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.WriteRequest"))


def check_fields(raw: bytes) -> None:
    """Refuse a request whose elements would take far more memory than its bytes, before it is parsed.

    Raises:
        BadObservation: ``too-many``, or ``bad-format`` where a field runs over the end.
    """
    if len(raw) <= _UNCOUNTED_BYTES:
        return
    if sum(1 for _ in islice(_elements(raw), MAX_FIELDS + 1)) > MAX_FIELDS:
        raise BadObservation("too-many", f"found more labels and samples, expected at most {MAX_FIELDS}")


def _elements(raw: bytes) -> Iterator[None]:
    """Yield once for each field of the request and of its time series."""
    for number, start, end in _fields(raw, 0, len(raw)):
        yield
        if number == 1:
            yield from (None for _ in _fields(raw, start, end))


def _fields(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of each field that stands between two places."""
    while at < end:
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(raw, at)
        elif kind == 0:
            size, (_, after) = 0, _varint(raw, at)
            size = after - at
        else:
            size = {1: 8, 5: 4}.get(kind, end)
        if at + size > end:
            raise BadObservation("bad-format", f"found a field of {size} bytes at {at}, expected a write request")
        yield tag >> 3, at, at + size
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:
        byte = raw[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise BadObservation("bad-format", f"found no number at {at}, expected a write request")
