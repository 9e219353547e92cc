"""Bound what one record may hold, the same for each format: its bytes, and the messages in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eddy.formats import BadObservation
from eddy.inputs.formats.base import MAX_ELEMENTS
from eddy.inputs.record import Record

MAX_BYTES = 16 * 1024 * 1024  # of a value, after decompression


def content(record: Record, expected: str, most: int = MAX_BYTES) -> bytes:
    """Return the value of a record.

    Raises:
        BadObservation: ``empty``, or ``too-many`` bytes.

    Examples:
        >>> content(Record("t"), "lines")
        Traceback (most recent call last):
        ...
        eddy.formats.BadObservation: empty: found no value, expected lines
    """
    if not record.value:
        raise BadObservation("empty", f"found no value, expected {expected}")
    check_bytes(len(record.value), most)
    return record.value


def check_bytes(found: int, most: int = MAX_BYTES) -> None:
    """Refuse more bytes than a value may have."""
    if found > most:
        raise BadObservation("too-many", f"found {found} bytes, expected at most {most}")


def text(record: Record, expected: str) -> str:
    """Return the value of a record as text: UTF-8, with or without a byte order mark.

    Raises:
        BadObservation: as :func:`content`, or ``bad-format``.
    """
    value = content(record, expected)
    try:
        return value.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"found the byte 0x{value[error.start]:02x} at {error.start}"
        raise BadObservation("bad-format", f"{found}, expected {expected} in UTF-8") from None


def limited(messages: Iterable[Any], most: int = MAX_ELEMENTS) -> list[Any]:
    """Return messages as a list, and stop at the first that is one too many.

    Raises:
        BadObservation: ``too-many``.
    """
    found: list[Any] = []
    for message in messages:
        if len(found) == most:
            raise BadObservation("too-many", f"found more messages in one record, expected at most {most}")
        found.append(message)
    return found
