"""Read what an event contributes to the values of its interval: a number for each column of ``aggregate.values``.

:mod:`eddy.inputs.aggregates` has the grammar. Where a condition of a column does not hold, its field is not looked at,
and the number is NaN. Else it is, by the column's kind,

- ``number``: the number in the field, as for values; NaN for null;
- ``identity``: a hash of the text, the number, true or false in the field, so that equal ones share a number: a whole
  number of 53 bits, all of them alike random. NaN for null;
- ``one``: 1.

A field that is not there is, by ``missing``, NaN (``null``), a reason to leave the whole event out (``skip``), or one
to refuse it (``error``). The columns are read in their order: the first that leaves out or refuses decides.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any

from eddy.formats import BadObservation, shown
from eddy.input_settings import InputSource
from eddy.inputs.aggregates import Column, Condition
from eddy.inputs.conditions import equal, pattern
from eddy.inputs.number_values import number, text_number
from eddy.inputs.paths import MISSING, Path
from eddy.inputs.template import Find, text_of

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_WHOLE = (-(2.0**63), 2.0**64)  # doubles from the first to below the second may equal a whole number of 64 bits
_MASK = (1 << 64) - 1
_KEPT_BITS = 53  # of a hash: a double holds them exactly

Holds = Callable[[Any], bool]


class Columns:
    """Read the columns of one source's events.

    Args:
        columns: of its aggregation.
        source: whose ``numbers`` and ``missing`` count.

    Examples:
        >>> from eddy.aggregate_settings import Aggregate
        >>> from eddy.inputs.aggregates import aggregation
        >>> source = InputSource(topics="t", aggregate=Aggregate(every="1m", values={
        ...     "n": "count", "ms": "p95 of ms where status < 500", "bad": "count where status >= 500",
        ... }))
        >>> columns = Columns(aggregation(source.aggregate).columns, source)
        >>> event = {"ms": 12.5, "status": 200}
        >>> columns.read(lambda path: path.find(event), lambda path, name: path.find(event))
        {'ms where status < 500': 12.5, '1 where status >= 500': nan}
    """

    def __init__(self, columns: Sequence[Column], source: InputSource) -> None:
        self._texts = source.numbers == "text"
        self._missing = source.missing
        self._columns = tuple(
            (one.label, one, tuple((each.path, _holds(each, self._texts)) for each in one.conditions))
            for one in columns
        )

    def read(self, find: Find, there: Callable[[Path, str], Any]) -> dict[str, float] | None:
        """Return the numbers of an event by the labels of the columns; None: it is left out.

        Args:
            find: returns the value of a path, or MISSING.
            there: the same, but raises ``no-field`` in place of MISSING; its second argument says what asks.

        Raises:
            BadObservation: ``no-field`` or ``bad-value``.
        """
        numbers = {}
        for label, column, conditions in self._columns:
            value = math.nan
            if all(holds(find(path)) for path, holds in conditions):
                if column.path is None:
                    value = 1.0
                elif (found := find(column.path)) is not MISSING:
                    value = self._number(column, f"aggregate {label}", found)
                elif self._missing == "skip":
                    return None
                elif self._missing == "error":
                    there(column.path, f"aggregate {label}")  # raises
            numbers[label] = value
        return numbers

    def _number(self, column: Column, name: str, found: Any) -> float:
        value = number(name, found, self._texts) if column.kind == "number" else identity(name, found)
        return math.nan if math.isnan(value) else value  # one NaN for all: a binary format has many


def identity(name: str, found: Any) -> float:
    """Return a number that equal values share, and hardly any others; NaN for null and NaN.

    Numbers that are equal share it, whole or not, and so do a whole number and the text of its digits.

    Args:
        name: what errors call the value.
        found: the value.

    Raises:
        BadObservation: ``bad-value``: an object, an array, an infinite number, or no text of Unicode.

    Examples:
        >>> identity("user", "7") == identity("user", 7) == identity("user", 7.0), identity("user", "anna")
        (True, 7180097907331287.0)
    """
    if found is None:
        return math.nan
    text = text_of(found)
    if isinstance(found, float):
        if math.isnan(found):
            return math.nan
        if found.is_integer() and _WHOLE[0] <= found < _WHOLE[1]:
            text = str(int(found))
        elif math.isfinite(found):
            return _hashed(struct.pack("<d", found))
    try:
        if text is not None:
            return _hashed(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        pass
    expected = "a text, a finite number, true, false or null"
    raise BadObservation("bad-value", f"{name}: found {shown(found)}, expected {expected}")


def _hashed(data: bytes) -> float:
    """Return bits of a hash: FNV-1a, and MurmurHash3's finalizer, without which its upper bits are poor."""
    found = 0xCBF29CE484222325
    for byte in data:
        found = (found ^ byte) * 0x100000001B3 & _MASK
    found = (found ^ found >> 33) * 0xFF51AFD7ED558CCD & _MASK
    found = (found ^ found >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return float((found ^ found >> 33) >> 64 - _KEPT_BITS)


def _holds(condition: Condition, texts: bool) -> Holds:
    """Return what says whether a condition holds for a value, MISSING included."""
    wanted = condition.literal
    if condition.operator in _ORDERED:
        return _ordered(_ORDERED[condition.operator], wanted, texts)
    if wanted is None:
        same: Holds = lambda found: found is MISSING or found is None  # noqa: E731
    elif isinstance(wanted, str):
        same = _text(wanted)
    else:
        same = lambda found: equal(wanted, _as_number(found, texts))  # noqa: E731
    return same if condition.operator == "=" else lambda found: not same(found)


def _ordered(compare: Callable[[Any, Any], bool], wanted: Any, texts: bool) -> Holds:
    def holds(found: Any) -> bool:
        value = _as_number(found, texts)
        return isinstance(value, int | float) and not isinstance(value, bool) and compare(value, wanted)

    return holds


def _text(wanted: str) -> Holds:
    if "*" not in wanted:
        return lambda found: found is not MISSING and text_of(found) == wanted
    compiled = pattern(wanted)

    def holds(found: Any) -> bool:
        text = None if found is MISSING else text_of(found)
        return text is not None and compiled.fullmatch(text) is not None

    return holds


def _as_number(found: Any, texts: bool) -> Any:
    """Return the number of a text that is one, where those count as numbers; all else as it is."""
    return text_number(found) if texts and isinstance(found, str) else found
