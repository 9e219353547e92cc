"""Sampling intervals as people write them (``30m``) and as the code counts them (milliseconds)."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from eddy.errors import SettingsError

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_WRITTEN = ("d", "h", "m", "s")  # largest first; what no unit divides is written in ms


def interval_to_ms(text: str, name: str) -> int:
    """Parse ``30m``, ``10s``, ``1h``, ``1d``, ``500ms`` to milliseconds; 0 means that points are not clocked.

    Args:
        text: a whole number and a unit: ms, s, m (or min), h, d.
        name: what the error calls the setting, such as ``--interval``.

    Raises:
        SettingsError: anything else.
    """
    match = re.fullmatch(r"(\d+)\s*(ms|s|m|min|h|d)?", text.strip())
    if not match or (match[2] is None and int(match[1]) != 0):
        raise SettingsError(f"{name} {text}: expected a number and a unit (ms, s, m, h, d), such as 30m, or 0")
    return int(match[1]) * _UNITS_MS[match[2] or "ms"]


def ms_to_interval(ms: int) -> str:
    """Write milliseconds so that :func:`interval_to_ms` reads them back: 1800000 is ``30m``, 0 is ``0``."""
    if ms == 0:
        return "0"
    unit = next((one for one in _WRITTEN if ms % _UNITS_MS[one] == 0), "ms")
    return f"{ms // _UNITS_MS[unit]}{unit}"


def _length(value: Any) -> Any:
    """Accept what a setting may hold: a text, or milliseconds that were read already."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\d+(ms|s|m|min|h|d)", value):
        message = f"found {value!r}, expected a number and a unit (ms, s, m, h, d), such as 30m"
        raise ValueError(message)
    return interval_to_ms(value, "")


#: a length of time in settings: written as a text such as ``30m``, held in milliseconds
Length = Annotated[
    int,
    BeforeValidator(_length),
    PlainSerializer(lambda ms: "0s" if ms == 0 else ms_to_interval(ms), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(ms|s|m|min|h|d)$"}),
]
