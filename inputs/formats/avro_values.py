"""Read Avro's logical types as plain values; importing this module registers the readers at fastavro."""

from __future__ import annotations

import uuid
from typing import Any

import fastavro.read

from eddy.inputs.plain_values import bytes_text, date_text, decimal_number, variable_decimal


def _base64(found: bytes, *_: Any) -> str:
    return bytes_text(found)


def _date(found: int, *_: Any) -> str:
    return date_text(found)


def _decimal(found: bytes, schema: Any, *_: Any) -> int | float:
    return decimal_number(found, schema["scale"])


def _uuid(found: bytes, *_: Any) -> str:
    return str(uuid.UUID(bytes=found))


def _duration(found: bytes, *_: Any) -> dict[str, int]:
    parts = (int.from_bytes(found[at : at + 4], "little") for at in (0, 4, 8))
    return dict(zip(("months", "days", "milliseconds"), parts, strict=True))


def _variable_decimal(found: Any, *_: Any) -> int | float:
    return variable_decimal(found)


#: fastavro's own way to add a logical type
fastavro.read.LOGICAL_READERS.update(
    {
        "bytes-eddy-base64": _base64,
        "fixed-eddy-base64": _base64,
        "bytes-eddy-decimal": _decimal,
        "fixed-eddy-decimal": _decimal,
        "fixed-eddy-uuid": _uuid,
        "fixed-eddy-duration": _duration,
        "int-eddy-date": _date,
        "record-eddy-variable-decimal": _variable_decimal,
    }
)
