"""Parse the JSON of a message, within bounds, and so that each reader of the same bytes finds the same.

UTF-8, with or without a byte order mark; of fields with the same name the last one counts. ``NaN``, ``Infinity`` and
``-Infinity`` are no JSON, but common, and read. A whole number outside of 64 bits is a number with a fraction, one
beyond the largest double is infinite.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from eddy.formats import BadObservation

MAX_NESTING = 100  # objects and arrays within each other
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
_WHOLE_DIGITS = 20  # with more than these, and a sign, no whole number has 64 bits


def parse(value: bytes) -> Any:
    """Parse JSON.

    Raises:
        BadObservation: ``empty``, ``not-json`` or ``too-many`` (nesting).

    Examples:
        >>> parse(b'{"a": [1, NaN], "a": 2}')
        {'a': 2}
        >>> parse(b"[" * 101 + b"]" * 101)
        Traceback (most recent call last):
        ...
        eddy.formats.BadObservation: too-many: found 101 objects and arrays within each other, expected at most 100
    """
    value = value[len(_BOM) :] if value.startswith(_BOM) else value
    if not value:
        raise BadObservation("empty", "found no value, expected JSON")
    if value.count(b"[") + value.count(b"{") > MAX_NESTING and (depth := nesting(value)) > MAX_NESTING:
        raise BadObservation(
            "too-many", f"found {depth} objects and arrays within each other, expected at most {MAX_NESTING}"
        )
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as strict:
        try:
            return json.loads(value.decode(), parse_int=whole_number)
        except (ValueError, RecursionError):
            raise BadObservation("not-json", f"{strict}; expected JSON") from None


def nesting(value: bytes) -> int:
    """Return the largest number of brackets that are open at once, outside of texts; a text without an end runs on.

    Examples:
        >>> nesting(b'{"a": ["[[["]}'), nesting(b"[[]]]]["), nesting(b'["[[[')
        (2, 2, 1)
    """
    depth = deepest = 0
    for match in _TOKEN.finditer(value):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth = max(depth - 1, 0)
    return deepest


def whole_number(text: str) -> int | float:
    """Read a whole number as orjson does: one outside of 64 bits is a double."""
    if len(text.lstrip("-")) > _WHOLE_DIGITS:
        return float(text)
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 64 else float(number)
