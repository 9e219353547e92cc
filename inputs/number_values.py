r"""Read the numbers of a message: JSON's, and with ``numbers: text`` those that are written as text, too.

A text is a number if it has this form, with blanks, tabs and line ends around it, and at most 60 characters::

    [+-]? ( digits [ ("." | ",") digits? ] | ("." | ",") digits ) ( [eE] [+-]? 1 to 3 digits )?

So a comma is a decimal comma: ``4,2`` is 4.2, and ``1,234`` is 1.234. There is no mark between thousands
(``1.234,5``), no ``0x10``, no ``1_000``, no unit, and digits are those of ASCII. ``NaN`` is a missing value.
"""

from __future__ import annotations

import math
import re
from typing import Any

from eddy.formats import BadObservation, shown

_MAX_LENGTH = 60
_BLANK = " \t\r\n"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def text_number(text: str) -> float | None:
    """Return the number that a text is; None for all other texts.

    Examples:
        >>> [text_number(text) for text in ("4.2", "4,2", " 7 ", "1e3", "1.234,5", "0x10", "")]
        [4.2, 4.2, 7.0, 1000.0, None, None, None]
    """
    if len(text) > _MAX_LENGTH:
        return None
    text = text.strip(_BLANK)
    if text == "NaN":
        return math.nan
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def number(name: str, found: Any, texts: bool) -> float:
    """Return a finite number, or NaN for null and NaN.

    Args:
        name: of the field, for the error.
        found: its value.
        texts: read numbers that are written as text.

    Raises:
        BadObservation: ``bad-value``.
    """
    if found is None:
        return math.nan
    value: float | None = None
    if isinstance(found, str):
        value = text_number(found) if texts else None
    elif isinstance(found, int | float) and not isinstance(found, bool):
        value = float(found)
    if value is None:
        hint = "; 'numbers: text' reads it" if isinstance(found, str) and text_number(found) is not None else ""
        expected = "a number, also as text, or null" if texts else "a number or null"
        raise BadObservation("bad-value", f"{name}: found {shown(found)}, expected {expected}{hint}")
    if math.isinf(value):
        raise BadObservation("bad-value", f"{name}: found {shown(found)}, expected a finite number")
    return value
