"""Make plain values of what formats have beside JSON's: decimals, dates, bytes."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import Any

from eddy.formats import BadObservation, shown

MAX_DECIMAL_BYTES = 128  # 308 digits, as many as the largest double has before its point
MAX_SCALE = 400  # more makes any such number 0 or infinite
_EPOCH = date(1970, 1, 1)


def decimal_number(unscaled: bytes, scale: int) -> int | float:
    """Return a decimal: a whole number without digits after the point (as in an id), else the nearest double.

    Args:
        unscaled: two's complement, the most significant byte first.
        scale: digits after the point.

    Raises:
        BadObservation: ``bad-format``: it is longer than any number that a double holds.

    Examples:
        >>> decimal_number(bytes([1, 164]), 2), decimal_number(bytes([255]), 0), decimal_number(b"", 3)
        (4.2, -1, 0.0)
    """
    if len(unscaled) > MAX_DECIMAL_BYTES or abs(scale) > MAX_SCALE:
        found = f"found a decimal of {len(unscaled)} bytes and scale {scale}"
        raise BadObservation("bad-format", f"{found}, expected at most {MAX_DECIMAL_BYTES} and {MAX_SCALE}")
    number = int.from_bytes(unscaled, "big", signed=True)
    if scale == 0 and -(1 << 63) <= number < 1 << 64:
        return number
    return float(f"{number}E{-scale}")  # the nearest double, where a division would round twice


def variable_decimal(found: Any) -> int | float:
    """Return the number of Debezium's ``VariableScaleDecimal``, whose bytes are base64 already.

    Raises:
        BadObservation: ``bad-format``: it is none.

    Examples:
        >>> variable_decimal({"scale": 2, "value": "AaQ="})
        4.2
    """
    try:
        return decimal_number(base64.b64decode(found["value"], validate=True), int(found["scale"]))
    except (KeyError, TypeError, ValueError):
        expected = "an object with scale and value (base64)"
        raise BadObservation("bad-format", f"found the decimal {shown(found)}, expected {expected}") from None


def date_text(days: int) -> str:
    """Return the ISO-8601 text of a number of days since 1970.

    Raises:
        BadObservation: ``bad-format``: it is outside the years 1 to 9999.

    Examples:
        >>> date_text(20089)
        '2025-01-01'
    """
    try:
        return (_EPOCH + timedelta(days=days)).isoformat()
    except OverflowError:
        raise BadObservation(
            "bad-format", f"found day {days} since 1970, expected one of the years 1 to 9999"
        ) from None


def bytes_text(content: bytes) -> str:
    """Return bytes as base64, as JSON has them.

    Examples:
        >>> bytes_text(bytes([255, 0]))
        '/wA='
    """
    return base64.b64encode(content).decode()
